//! What a daemon does besides answering, its mistakes included.

use std::sync::Arc;
use std::time::Duration;

use super::claim::claim_in_vain;
use super::life::Daemon;
use crate::e2e::frame::Frame;
use crate::random::Random;
use crate::soak::books::NO_STATUS;
use crate::soak::message;
use crate::soak::world::Part;

/// One thing.
#[derive(Debug, Clone, Copy)]
enum Initiative {
    Nothing,
    /// A frame to one of its phones.
    Tell,
    /// A directive for one of its phones.
    Direct,
    /// An envelope that is none.
    Malformed,
    /// An envelope for a phone that there is not.
    Unknown,
    /// A ping of its own.
    Ping,
    /// It reads nothing for some seconds: fewer than it would be cut for.
    Stall,
    /// Another daemon claims its server-id.
    Rival,
}

/// Envelopes that are dropped, and do the leg no harm.
const MALFORMED: [&str; 12] = [
    "",
    "null",
    "[]",
    "{}",
    "not json",
    r#"{"conn_id":7,"frame":1}"#,
    r#"{"conn_id":"","frame":1}"#,
    r#"{"frame":1}"#,
    r#"{"conn_id":"client-0","close_code":70000}"#,
    r#"{"conn_id":"client-0","frame":1,}"#,
    r#"{"push_wake":{"platform":"fcm","token":"t"}}"#,
    "\u{FEFF}{\"conn_id\":\"client-0\",\"frame\":1}",
];

impl Daemon {
    pub(super) async fn take_initiative(&mut self) -> anyhow::Result<()> {
        let initiative = self.random.choose(&[
            (300, Initiative::Nothing),
            (600, Initiative::Tell),
            (10, Initiative::Direct),
            (20, Initiative::Malformed),
            (10, Initiative::Unknown),
            (30, Initiative::Ping),
            (6, Initiative::Stall),
            (6, Initiative::Rival),
        ]);
        let is_disturbed = !self.rivals.is_empty() || self.world.has_begun(Part::PhonesLeave);
        match initiative {
            Initiative::Nothing => {
                self.forget_directed();
                Ok(())
            }
            Initiative::Tell => match self.any_phone() {
                Some(conn_id) => {
                    let length = message::length(&mut self.random);
                    self.tell(&conn_id, None, length).await
                }
                None => Ok(()),
            },
            Initiative::Direct => match self.any_phone() {
                Some(conn_id) => {
                    let code =
                        self.random
                            .choose(&[(3, 1000), (3, 4401), (1, NO_STATUS), (1, 2000)]);
                    self.direct(&conn_id, code, None).await
                }
                None => Ok(()),
            },
            Initiative::Malformed => {
                self.world.books().totals.bad_envelopes += 1;
                let at = usize::try_from(self.random.below(MALFORMED.len() as u64))?;
                self.link.say(MALFORMED[at]).await
            }
            Initiative::Unknown => {
                self.world.books().totals.bad_envelopes += 1;
                let conn_id = format!("client-{:032x}", self.random.next());
                self.link
                    .say(&format!(r#"{{"conn_id":"{conn_id}","frame":1}}"#))
                    .await
            }
            Initiative::Ping => self.link.send(&Frame::ping("there?")).await,
            Initiative::Stall | Initiative::Rival if is_disturbed => Ok(()),
            Initiative::Stall => {
                let time: Duration = self.random.millis(500, 4_000);
                self.world.pause(time, Part::PhonesLeave).await;
                Ok(())
            }
            Initiative::Rival => {
                let world = Arc::clone(&self.world);
                let (server, random) = (self.server, Random::new(self.random.next()));
                self.rivals
                    .spawn(async move { claim_in_vain(&world, server, random).await });
                Ok(())
            }
        }
    }

    /// A phone that was not told to go.
    fn any_phone(&mut self) -> Option<String> {
        let open: Vec<&String> = self
            .sessions
            .iter()
            .filter(|(_, session)| session.directed_at.is_none())
            .map(|(conn_id, _)| conn_id)
            .collect();
        let at = self.random.below(open.len().max(1) as u64);
        open.get(usize::try_from(at).ok()?)
            .map(|conn_id| (*conn_id).clone())
    }
}
