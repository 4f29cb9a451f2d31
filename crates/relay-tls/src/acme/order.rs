//! One order, from the request to the signed chain (RFC 8555 §7.4).

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, ChallengeType, Error, Identifier,
    NewOrder, Order, OrderStatus, RetryPolicy,
};

use super::account::call;
use super::challenges::{Challenges, Served};
use super::config::AcmeConfig;
use super::failure::{Failure, Retry, describe};
use crate::cache::Issued;
use crate::certificate::RenewalId;

/// Gets a certificate for `domain`. Every call in it has its own deadline.
///
/// # Cancel safety
/// The order is forgotten, and its challenge no longer answered.
pub(super) async fn issue(
    account: &Account,
    config: &AcmeConfig,
    challenges: &Challenges,
    domain: &str,
    replaces: Option<&RenewalId>,
) -> Result<Issued, Failure> {
    let mut order = place(account, config, domain, replaces).await?;
    // Held until the order is over: the authority asks from several places, and more than once.
    let _answers = answer(&mut order, config, challenges).await?;
    prove(&mut order, config).await?;
    let key = call("finalize", config.request_timeout, order.finalize()).await?;
    let polling = polling(config);
    let signed = order.poll_certificate(&polling);
    let chain = call("certificate", patience(config), signed).await?;
    Issued::from_pem(&chain, &key).map_err(|error| Failure::unusable(&error))
}

async fn place(
    account: &Account,
    config: &AcmeConfig,
    domain: &str,
    replaces: Option<&RenewalId>,
) -> Result<Order, Failure> {
    let identifiers = [Identifier::Dns(domain.to_owned())];
    let new = NewOrder::new(&identifiers);
    if let Some(id) = replaces {
        let new = NewOrder::new(&identifiers).replaces(identifier(id));
        match call("new order", config.request_timeout, account.new_order(&new)).await {
            // Another order replaced it already, or the authority does not know it: order as if for the first time.
            Err(failure) if failure.retry == Retry::BackOff => {}
            result => return result,
        }
    }
    call("new order", config.request_timeout, account.new_order(&new)).await
}

pub(super) fn identifier(id: &RenewalId) -> CertificateIdentifier<'static> {
    CertificateIdentifier::new(
        id.authority_key.as_slice().into(),
        id.serial.as_slice().into(),
    )
    .into_owned()
}

/// Serves the answer to each challenge and only then says that it may be asked for.
async fn answer(
    order: &mut Order,
    config: &AcmeConfig,
    challenges: &Challenges,
) -> Result<Vec<Served>, Failure> {
    const STEP: &str = "authorization";
    let mut served = Vec::new();
    let mut authorizations = order.authorizations();
    loop {
        let next = async { authorizations.next().await.transpose() };
        let Some(mut authorization) = call(STEP, config.request_timeout, next).await? else {
            return Ok(served);
        };
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Invalid
            | AuthorizationStatus::Deactivated
            | AuthorizationStatus::Expired
            | AuthorizationStatus::Revoked => {
                return Err(Failure::new(STEP, Retry::BackOff, "it is not open"));
            }
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            return Err(Failure::new(STEP, Retry::BackOff, "http-01 is not offered"));
        };
        let answer = challenge.key_authorization();
        served.push(
            challenges
                .serve(&challenge.token, answer.as_str())
                .ok_or_else(|| Failure::new(STEP, Retry::BackOff, "too many challenges"))?,
        );
        call("challenge", config.request_timeout, challenge.set_ready()).await?;
    }
}

/// Waits until the authority has looked, and tells what it saw if that was wrong.
async fn prove(order: &mut Order, config: &AcmeConfig) -> Result<(), Failure> {
    const STEP: &str = "validation";
    match call(STEP, patience(config), order.poll_ready(&polling(config))).await? {
        OrderStatus::Ready => return Ok(()),
        OrderStatus::Pending
        | OrderStatus::Invalid
        | OrderStatus::Processing
        | OrderStatus::Valid => {}
    }
    let mut authorizations = order.authorizations();
    let reason = async {
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            let state = authorization.refresh().await?;
            let problem = state
                .challenges
                .iter()
                .find_map(|challenge| challenge.error.as_ref());
            if let Some(problem) = problem {
                return Ok(describe(problem));
            }
        }
        Ok::<_, Error>("the authority does not say why".to_owned())
    };
    let reason = call(STEP, config.request_timeout, reason).await?;
    Err(Failure::new(STEP, Retry::BackOff, reason))
}

fn polling(config: &AcmeConfig) -> RetryPolicy {
    RetryPolicy::new().timeout(config.order_timeout)
}

/// The policy ends the polling; this ends a poll that hangs.
fn patience(config: &AcmeConfig) -> Duration {
    config.order_timeout + config.request_timeout
}
