//! Case 55: phones and binaries come and go at random, and the relay forgets none of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use super::{Scenario, until};
use crate::e2e::http::Request;
use crate::e2e::peer::{Envelope, Peer};
use crate::e2e::relay::Relay;
use crate::e2e::stage::Stage;
use crate::random::Random;

pub(super) const ALL: &[Scenario] =
    &[scenario!(case_55_churn_leaves_nothing_behind).within(Duration::from_secs(90))];

const SERVERS: u64 = 5;
const PHONES: u64 = 50;
const LIVES_OF_A_BINARY: u64 = 6;
const LIVES_OF_A_PHONE: u64 = 30;
const SEED: u64 = 0x5EED;

async fn case_55_churn_leaves_nothing_behind(stage: &Stage) -> anyhow::Result<()> {
    let mut relay = stage.relay().await?;
    let addr = relay.addr();
    let (over, phones_over) = watch::channel(false);
    let mut binaries = JoinSet::new();
    for server in 0..SERVERS {
        binaries.spawn(live_as_binary(addr, server, phones_over.clone()));
    }
    let mut phones = JoinSet::new();
    for phone in 0..PHONES {
        phones.spawn(live_as_phone(addr, phone));
    }
    for result in phones.join_all().await {
        result.with_context(|| format!("seed {SEED:#x}"))?;
    }
    until(async || Ok(relay.connected().await?.1 == 0)).await?;
    over.send_replace(true);

    let mut owner_of = BTreeMap::new();
    for result in binaries.join_all().await {
        for (life, conn_ids) in result.with_context(|| format!("seed {SEED:#x}"))? {
            for conn_id in conn_ids {
                let other = owner_of.insert(conn_id.clone(), life.clone());
                ensure!(
                    other.is_none(),
                    "{conn_id} was told to {life} and to {other:?}"
                );
            }
        }
    }
    ensure!(
        owner_of.len() > 100,
        "only {} phones were ever heard of",
        owner_of.len()
    );
    until(async || Ok(relay.connected().await? == (0, 0))).await?;
    expect_no_panic(&relay)?;
    relay.signal(Signal::TERM)?;
    relay.exits_cleanly_within(Duration::from_secs(2)).await
}

fn expect_no_panic(relay: &Relay) -> anyhow::Result<()> {
    let panic = relay
        .log()
        .lines()
        .into_iter()
        .find(|line| line.contains("panic"));
    ensure!(panic.is_none(), "{panic:?}");
    Ok(())
}

/// Connects, speaks a little, leaves in one of several ways, again and again.
async fn live_as_phone(addr: SocketAddr, number: u64) -> anyhow::Result<()> {
    let mut random = Random::new(SEED ^ number << 32);
    for _ in 0..LIVES_OF_A_PHONE {
        let mut phone = Peer::upgrade(
            addr,
            &Request::phone(&format!("server-{}", random.below(SERVERS))),
        )
        .await?;
        // The relay may close it at any time: no binary, a reclaim, too many phones.
        let speaks = async {
            for frame in 0..random.below(8) {
                phone.send(frame.to_string()).await?;
                phone.text().await?;
            }
            anyhow::Ok(())
        };
        let closed = speaks.await.is_err();
        if !closed && random.below(2) == 0 {
            // Whether the echo or an eviction comes first does not matter here.
            let _ = phone.close(1000, "").await;
        }
    }
    Ok(())
}

/// The phones one life of a binary heard of.
type Lives = Vec<(String, BTreeSet<String>)>;

/// Holds a server-id for a while, echoes, leaves, comes back; until the phones are gone.
async fn live_as_binary(
    addr: SocketAddr,
    server: u64,
    mut phones_over: watch::Receiver<bool>,
) -> anyhow::Result<Lives> {
    let mut random = Random::new(SEED ^ 0xB1 ^ server << 40);
    let mut lives = Vec::new();
    for life in 0..LIVES_OF_A_BINARY {
        let mut binary = Peer::upgrade(addr, &Request::binary(&format!("server-{server}"))).await?;
        let mut messages = if life + 1 == LIVES_OF_A_BINARY {
            u64::MAX
        } else {
            50 + random.below(200)
        };
        let mut gone = BTreeSet::new();
        let mut known = BTreeSet::new();
        while messages > 0 {
            let text = tokio::select! {
                text = next_text(&mut binary) => text?,
                _ = phones_over.wait_for(|over| *over) => break,
            };
            messages -= 1;
            match Envelope::parse(&text)? {
                Envelope::Frame { conn_id, frame } => {
                    ensure!(
                        !gone.contains(&conn_id),
                        "{conn_id}: a frame after the notice"
                    );
                    binary.send_to(&conn_id, &frame).await?;
                    known.insert(conn_id);
                }
                Envelope::Notice { conn_id, .. } => {
                    ensure!(gone.insert(conn_id.clone()), "{conn_id}: a second notice");
                    known.insert(conn_id);
                }
            }
        }
        lives.push((format!("server-{server}, life {life}"), known));
        close_amid_traffic(binary).await?;
    }
    Ok(lives)
}

async fn next_text(binary: &mut Peer) -> anyhow::Result<String> {
    match binary.message().await? {
        Some(Message::Text(text)) => Ok(text.as_str().to_owned()),
        other => bail!("a binary expected text, got {other:?}"),
    }
}

/// Closes while frames are still coming: they are read and dropped until the echo.
async fn close_amid_traffic(mut binary: Peer) -> anyhow::Result<()> {
    binary.begin_close(1000).await?;
    loop {
        match binary.message().await {
            Ok(Some(Message::Text(_))) => {}
            Ok(Some(Message::Close(_)) | None) => return Ok(()),
            Ok(Some(other)) => bail!("{other:?} while closing"),
            Err(error) => return Err(error.context("while closing")),
        }
    }
}
