//! A peer on tokio-tungstenite: a WebSocket stack that shares no code with the relay's.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::http::Request;

/// Read buffer of a peer: the library's own 128 KiB would be 256 MB for the drain proof.
const READ_BUFFER: usize = 4 * 1024;

/// A daemon or a phone.
#[derive(Debug)]
pub(super) struct Peer {
    socket: WebSocketStream<TcpStream>,
}

/// A message on the binary's leg, in exactly one of the two shapes the relay writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Envelope {
    /// A phone's frame, its JSON as it came.
    Frame { conn_id: String, frame: String },
    /// The notice that a phone is gone.
    Notice { conn_id: String, close_code: u16 },
}

impl Envelope {
    /// Reads one of `{"conn_id":"..","frame":..}` and `{"conn_id":"..","close_code":n}`, byte for byte.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let parts = || {
            let (conn_id, rest) = text.strip_prefix(r#"{"conn_id":""#)?.split_once('"')?;
            Some((conn_id.to_owned(), rest.strip_suffix('}')?))
        };
        let (conn_id, rest) = parts().with_context(|| format!("not an envelope: {text}"))?;
        check_conn_id(&conn_id)?;
        if let Some(frame) = rest.strip_prefix(r#","frame":"#) {
            Ok(Self::Frame {
                conn_id,
                frame: frame.to_owned(),
            })
        } else if let Some(close_code) = rest.strip_prefix(r#","close_code":"#) {
            let close_code = close_code
                .parse()
                .with_context(|| format!("not a close code: {text}"))?;
            Ok(Self::Notice {
                conn_id,
                close_code,
            })
        } else {
            bail!("neither frame nor notice: {text}")
        }
    }
}

/// `client-` and 128 bits in lower-case hexadecimal.
pub(super) fn check_conn_id(conn_id: &str) -> anyhow::Result<()> {
    let digits = conn_id.strip_prefix("client-").unwrap_or_default();
    let lower_hex = digits
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ensure!(digits.len() == 32 && lower_hex, "not a conn_id: {conn_id}");
    Ok(())
}

impl Peer {
    /// Connects and upgrades.
    pub(super) async fn upgrade(addr: SocketAddr, request: &Request) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr)
            .await
            .with_context(|| format!("could not connect to {addr}"))?;
        stream.set_nodelay(true)?;
        let mut upgrade = format!("ws://{addr}{}", request.target()).into_client_request()?;
        for (name, value) in request.headers() {
            let name = HeaderName::from_bytes(name.as_bytes())?;
            // The library makes its own key and handshake headers.
            if !upgrade.headers().contains_key(&name) {
                upgrade
                    .headers_mut()
                    .insert(name, HeaderValue::from_bytes(value)?);
            }
        }
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let (socket, _) = client_async_with_config(upgrade, stream, Some(config))
            .await
            .context("no upgrade")?;
        Ok(Self { socket })
    }

    /// Sends a text message.
    pub(super) async fn send(&mut self, text: impl Into<String>) -> anyhow::Result<()> {
        self.socket
            .send(Message::text(text.into()))
            .await
            .context("could not send")
    }

    /// Sends a message to one phone.
    pub(super) async fn send_to(&mut self, conn_id: &str, frame: &str) -> anyhow::Result<()> {
        self.send(format!(r#"{{"conn_id":"{conn_id}","frame":{frame}}}"#))
            .await
    }

    /// The next message that is no ping or pong; `None` when the connection has ended in order.
    pub(super) async fn message(&mut self) -> anyhow::Result<Option<Message>> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return Ok(Some(message)),
                Some(Err(Error::ConnectionClosed)) | None => return Ok(None),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// The next message, which must be text.
    pub(super) async fn text(&mut self) -> anyhow::Result<String> {
        match self.message().await? {
            Some(Message::Text(text)) => Ok(text.as_str().to_owned()),
            other => bail!("a text message expected, got {other:?}"),
        }
    }

    /// The next message is this text.
    pub(super) async fn expect_text(&mut self, expected: &str) -> anyhow::Result<()> {
        let found = self.text().await?;
        ensure!(found == expected, "{expected} expected, got {found}");
        Ok(())
    }

    /// The next message, which must be an envelope.
    pub(super) async fn envelope(&mut self) -> anyhow::Result<Envelope> {
        Envelope::parse(&self.text().await?)
    }

    /// Answers pings for as long as `other` takes, and expects nothing else.
    pub(super) async fn idle_while<T>(
        &mut self,
        other: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            result = other => result,
            message = self.message() => bail!("nothing expected, got {message:?}"),
        }
    }

    /// The next message is this phone's frame.
    pub(super) async fn expect_frame(&mut self, conn_id: &str, frame: &str) -> anyhow::Result<()> {
        let expected = Envelope::Frame {
            conn_id: conn_id.to_owned(),
            frame: frame.to_owned(),
        };
        let found = self.envelope().await?;
        ensure!(found == expected, "{expected:?} expected, got {found:?}");
        Ok(())
    }

    /// The next message is the notice about this phone.
    pub(super) async fn expect_notice(
        &mut self,
        conn_id: &str,
        close_code: u16,
    ) -> anyhow::Result<()> {
        let expected = Envelope::Notice {
            conn_id: conn_id.to_owned(),
            close_code,
        };
        let found = self.envelope().await?;
        ensure!(found == expected, "{expected:?} expected, got {found:?}");
        Ok(())
    }

    /// The relay closes with this code and reason, and the connection then ends in order.
    pub(super) async fn expect_close(&mut self, code: u16, reason: &str) -> anyhow::Result<()> {
        match self.message().await? {
            Some(Message::Close(Some(close)))
                if u16::from(close.code) == code && close.reason.as_str() == reason => {}
            other => bail!("close {code} `{reason}` expected, got {other:?}"),
        }
        self.expect_end().await
    }

    /// Nothing follows but the end of the connection, in order; we end our side then, as every client does.
    pub(super) async fn expect_end(&mut self) -> anyhow::Result<()> {
        match self.message().await? {
            None => self
                .socket
                .get_mut()
                .shutdown()
                .await
                .context("could not end the stream"),
            Some(message) => bail!("the end expected, got {message:?}"),
        }
    }

    /// Sends a close and goes on reading.
    pub(super) async fn begin_close(&mut self, code: u16) -> anyhow::Result<()> {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.socket
            .close(Some(frame))
            .await
            .context("could not close")
    }

    /// Closes, and waits for the relay's echo and the end of the connection.
    pub(super) async fn close(mut self, code: u16, reason: &str) -> anyhow::Result<()> {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        self.socket
            .close(Some(frame.clone()))
            .await
            .context("could not close")?;
        match self.message().await? {
            Some(Message::Close(Some(echo))) if echo == frame => self.expect_end().await,
            other => bail!("the echo of {frame:?} expected, got {other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONN_ID: &str = "client-0123456789abcdef0123456789abcdef";

    #[test]
    fn reads_both_envelopes() {
        let frame =
            Envelope::parse(&format!(r#"{{"conn_id":"{CONN_ID}","frame":{{"a": 1 }}}}"#)).unwrap();
        assert_eq!(
            frame,
            Envelope::Frame {
                conn_id: CONN_ID.to_owned(),
                frame: r#"{"a": 1 }"#.to_owned()
            }
        );
        let notice =
            Envelope::parse(&format!(r#"{{"conn_id":"{CONN_ID}","close_code":1001}}"#)).unwrap();
        assert_eq!(
            notice,
            Envelope::Notice {
                conn_id: CONN_ID.to_owned(),
                close_code: 1001
            }
        );
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            format!(r#"{{"frame":1,"conn_id":"{CONN_ID}"}}"#),
            format!(r#"{{"conn_id":"{CONN_ID}","frame":1,"close_code":1}}"#)
                .replace("\"frame\":1", "\"token\":1"),
            format!(r#"{{ "conn_id":"{CONN_ID}","frame":1}}"#),
            r#"{"conn_id":"client-7","frame":1}"#.to_owned(),
            "{}".to_owned(),
        ] {
            assert!(Envelope::parse(&text).is_err(), "{text}");
        }
    }
}
