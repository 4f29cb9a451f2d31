//! Our account with the authority: kept from before, taken over from an earlier relay, or made.

use std::time::Duration;

use instant_acme::{Account, AccountBuilder, AccountCredentials, Error, Key, NewAccount};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::client::Client;
use super::config::AcmeConfig;
use super::failure::{Failure, Retry};
use crate::cache::{CertCache, StoredAccount};
use crate::clock;
use crate::error_text::with_causes;

/// The account that there is: in the cache, or of the relay before us.
pub(super) async fn find(
    config: &AcmeConfig,
    cache: &CertCache,
) -> Result<Option<Account>, Failure> {
    match kept(config, cache) {
        Some(kept) => restore(config, cache, kept).await.map(Some),
        None => adopt(config, cache).await,
    }
}

/// A new one.
pub(super) async fn create(config: &AcmeConfig, cache: &CertCache) -> Result<Account, Failure> {
    let contact = contact(config);
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount {
        contact: &contact,
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let created = builder(config)?.create(&new, config.directory_url.clone(), None);
    let (account, credentials) = call("new account", config.request_timeout, created).await?;
    store(config, cache, credentials).await;
    tracing::info!("acme account created");
    Ok(account)
}

/// Waits for one call, and no longer than `timeout`. Boxed, since instant-acme's futures are 4 KiB and more.
pub(super) fn call<T>(
    step: &'static str,
    timeout: Duration,
    call: impl Future<Output = Result<T, Error>>,
) -> impl Future<Output = Result<T, Failure>> {
    let call = Box::pin(call);
    async move {
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Failure::of(step, &error, clock::instant())),
            Err(_) => Err(Failure::timed_out(step)),
        }
    }
}

fn builder(config: &AcmeConfig) -> Result<AccountBuilder, Failure> {
    let client = Client::new(config.authority_ca.as_deref())
        .map_err(|error| Failure::new("trust roots", Retry::BackOff, with_causes(&error)))?;
    Ok(Account::builder_with_http(Box::new(client)))
}

/// The account in the cache, if it is with the authority that is asked now.
fn kept(config: &AcmeConfig, cache: &CertCache) -> Option<StoredAccount> {
    match cache.account() {
        Ok(kept) => kept.filter(|kept| kept.directory == config.directory_url),
        Err(error) => {
            let path = cache.path().display();
            tracing::warn!(%path, err = %error, "acme account not read");
            None
        }
    }
}

async fn restore(
    config: &AcmeConfig,
    cache: &CertCache,
    kept: StoredAccount,
) -> Result<Account, Failure> {
    let restored = builder(config)?.from_credentials(kept.credentials);
    let account = call("directory", config.request_timeout, restored).await?;
    if kept.email != config.email {
        tell_contact(config, &account).await?;
        if let Ok(Some(kept)) = cache.account() {
            store(config, cache, kept.credentials).await;
        }
    }
    Ok(account)
}

/// Tells the authority whom to write to. That it does not like the address keeps nobody from a certificate.
async fn tell_contact(config: &AcmeConfig, account: &Account) -> Result<(), Failure> {
    let contact = contact(config);
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let told = account.update_contacts(&contact);
    match call("contact", config.request_timeout, told).await {
        Err(failure) if failure.is_account_lost => Err(failure),
        Err(failure) => {
            tracing::warn!(err = %failure, "acme contact not updated");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// The account of the relay before us, if it left a key and the authority knows it.
async fn adopt(config: &AcmeConfig, cache: &CertCache) -> Result<Option<Account>, Failure> {
    let Some(pkcs8) = cache.legacy_account_key() else {
        return Ok(None);
    };
    let der = PrivatePkcs8KeyDer::from(pkcs8);
    let Ok(key) = Key::from_pkcs8_der(der.clone_key()) else {
        return Ok(None);
    };
    let found = builder(config)?.from_key(
        (key, PrivateKeyDer::Pkcs8(der)),
        config.directory_url.clone(),
    );
    match call("account", config.request_timeout, found).await {
        Ok((account, credentials)) => {
            if config.email.is_some() {
                tell_contact(config, &account).await?;
            }
            store(config, cache, credentials).await;
            tracing::info!("acme account taken over");
            Ok(Some(account))
        }
        Err(failure) if failure.is_account_lost => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn contact(config: &AcmeConfig) -> Option<String> {
    config.email.as_ref().map(|email| format!("mailto:{email}"))
}

/// An account that cannot be kept serves until the next start, which makes another.
async fn store(config: &AcmeConfig, cache: &CertCache, credentials: AccountCredentials) {
    let account = StoredAccount {
        directory: config.directory_url.clone(),
        email: config.email.clone(),
        credentials,
    };
    let path = cache.path().display().to_string();
    if let Err(error) = cache
        .off_thread(move |cache| cache.store_account(&account))
        .await
    {
        tracing::warn!(path, err = with_causes(&error), "acme account not stored");
    }
}
