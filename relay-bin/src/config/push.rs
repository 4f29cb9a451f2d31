//! Whether phones are woken, and by whom.

use relay_push::{Credentials, Endpoint};

use super::{ConfigProblem, Environment, FCM_CREDENTIALS, FCM_ENDPOINT};

/// Push wake is on; the key itself stays in the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushConfig {
    /// Where FCM is.
    pub endpoint: Endpoint,
}

impl PushConfig {
    /// `None` when no key is there.
    pub(super) fn from_environment(
        environment: &Environment,
    ) -> Result<Option<Self>, ConfigProblem> {
        let credentials = credentials(environment)?;
        let endpoint = match &environment.fcm_endpoint {
            None => Endpoint::default(),
            Some(url) => url
                .to_str()
                .and_then(|url| url.parse().ok())
                .ok_or_else(|| {
                    let reason = "malformed-value: expected an http or https URL";
                    malformed(
                        FCM_ENDPOINT,
                        reason,
                        "unset it: it is for tests and mirrors",
                    )
                })?,
        };
        Ok(credentials.map(|_checked| Self { endpoint }))
    }
}

/// The key, if there is one.
pub(crate) fn credentials(environment: &Environment) -> Result<Option<Credentials>, ConfigProblem> {
    let Some(secret) = &environment.fcm_credentials else {
        return Ok(None);
    };
    let parsed = secret.expose().to_str().and_then(|text| text.parse().ok());
    parsed.map(Some).ok_or_else(|| {
        let reason = "malformed-value: expected a Google service-account JSON key (value withheld)";
        malformed(
            FCM_CREDENTIALS,
            reason,
            "give the whole key file's content, or unset it",
        )
    })
}

fn malformed(env_var: &'static str, reason: &str, fix: &'static str) -> ConfigProblem {
    ConfigProblem::MalformedVariable {
        env_var,
        reason: reason.to_owned(),
        fix,
    }
}
