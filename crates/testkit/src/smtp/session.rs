//! One connection, from the greeting to the end (RFC 5321).

use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Manner, Received, Shared};
use crate::leaks;

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// One connection.
struct Session<'a> {
    wire: BufReader<Box<dyn Wire>>,
    shared: &'a Shared,
    tls: bool,
    /// Whether it was told who is there: it wants to hear that once, and once more after STARTTLS.
    greeted: bool,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

pub(super) async fn serve(tcp: TcpStream, shared: &Shared) -> Result<()> {
    let wire: Box<dyn Wire> =
        if shared.setup.implicit { Box::new(shared.tls.accept(tcp).await?) } else { Box::new(tcp) };
    let (tls, wire) = (shared.setup.implicit, BufReader::new(wire));
    let (greeted, user, from, to) = (false, None, None, Vec::new());
    let mut session = Session { wire, shared, tls, greeted, user, from, to };
    match session.manner() {
        Manner::Silent => std::future::pending().await,
        Manner::TarPit => loop {
            session.say("220-just a moment").await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        },
        _ => session.say("220 localhost ESMTP").await?,
    }
    while session.turn().await? {}
    Ok(())
}

impl Session<'_> {
    fn manner(&self) -> Manner {
        self.shared.heard().manner
    }

    async fn say(&mut self, line: &str) -> Result<()> {
        self.wire.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        Ok(self.wire.get_mut().flush().await?)
    }

    async fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.wire.read_line(&mut line).await? == 0 {
            bail!("hung up");
        }
        let line = line.strip_suffix("\r\n").context("a line ends with CRLF")?.to_owned();
        if !self.tls {
            self.shared.heard().in_clear.push(line.clone());
        }
        Ok(line)
    }

    /// One command and its answer; whether there may be another.
    async fn turn(&mut self) -> Result<bool> {
        let line = self.hear().await?;
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" if self.greeted => self.say("503 again?").await?,
            "EHLO" => self.hello().await?,
            _ if !self.greeted => self.say("503 who is there?").await?,
            "STARTTLS" => self.secure().await?,
            "AUTH" => self.sign_in(rest).await?,
            "MAIL" if self.shared.setup.account.is_some() && self.user.is_none() => {
                self.say("530 sign in first").await?;
            }
            "MAIL" => match rest.strip_prefix("FROM:<").and_then(|rest| rest.split_once('>')) {
                Some((from, _)) => {
                    (self.from, self.to) = (Some(from.to_owned()), Vec::new());
                    self.say("250 fine").await?;
                }
                None => self.say("501 from whom?").await?,
            },
            "RCPT" => self.recipient(rest).await?,
            "DATA" if self.to.is_empty() => self.say("503 to whom?").await?,
            "DATA" => return self.message().await,
            "QUIT" => {
                self.say("221 bye").await?;
                return Ok(false);
            }
            "NOOP" => self.say("250 fine").await?,
            _ => self.say("500 what?").await?,
        }
        Ok(true)
    }

    async fn hello(&mut self) -> Result<()> {
        let setup = &self.shared.setup;
        self.greeted = true;
        self.say("250-localhost").await?;
        if setup.starttls && !self.tls && self.manner() != Manner::NoStartTls {
            self.say("250-STARTTLS").await?;
        }
        if setup.account.is_some() {
            self.say("250-AUTH PLAIN LOGIN").await?;
        }
        self.say("250 8BITMIME").await
    }

    async fn secure(&mut self) -> Result<()> {
        if self.tls || !self.shared.setup.starttls {
            return self.say("502 no").await;
        }
        if self.manner() == Manner::Injects {
            self.say("220 go ahead\r\n250-localhost\r\n250 AUTH PLAIN").await?;
        } else {
            self.say("220 go ahead").await?;
        }
        // The old wire is gone with what was read too much of it.
        let nothing: Box<dyn Wire> = Box::new(tokio::io::empty());
        let wire = std::mem::replace(&mut self.wire, BufReader::new(nothing)).into_inner();
        let wire: Box<dyn Wire> = Box::new(self.shared.tls.accept(wire).await?);
        (self.wire, self.tls, self.greeted) = (BufReader::new(wire), true, false);
        Ok(())
    }

    async fn sign_in(&mut self, rest: &str) -> Result<()> {
        let text = |encoded: &str| -> Result<String> {
            Ok(String::from_utf8(BASE64.decode(encoded.trim())?)?)
        };
        let (user, password) = match rest.split_once(' ').unwrap_or((rest, "")) {
            ("PLAIN", first) => {
                let said = text(first)?;
                let mut parts = said.split('\0').skip(1).map(str::to_owned);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            ("LOGIN", _) => {
                self.say("334 VXNlcm5hbWU6").await?;
                let user = text(&self.hear().await?)?;
                self.say("334 UGFzc3dvcmQ6").await?;
                (user, text(&self.hear().await?)?)
            }
            _ => return self.say("504 how?").await,
        };
        if self.shared.setup.account.as_ref() == Some(&(user.clone(), password)) {
            self.user = Some(user);
            return self.say("235 welcome").await;
        }
        self.say("535 no").await
    }

    async fn recipient(&mut self, rest: &str) -> Result<()> {
        match self.manner() {
            Manner::RecipientLater => return self.say("450 not now").await,
            Manner::RecipientNever => return self.say("550 nobody").await,
            _ => {}
        }
        match rest.strip_prefix("TO:<").and_then(|rest| rest.strip_suffix('>')) {
            Some(to) if self.from.is_some() => {
                self.to.push(to.to_owned());
                self.say("250 fine").await
            }
            _ => self.say("501 to whom?").await,
        }
    }

    async fn message(&mut self) -> Result<bool> {
        self.say("354 go ahead").await?;
        let mut data = String::new();
        loop {
            let line = self.hear().await?;
            match line.strip_prefix('.') {
                Some("") => break,
                stuffed => data.push_str(stuffed.unwrap_or(&line)),
            }
            data.push_str("\r\n");
        }
        let manner = self.manner();
        match manner {
            Manner::MessageLater => self.say("451 not now").await?,
            Manner::MessageNever => self.say("554 not that").await?,
            _ => {
                let from = self.from.take().unwrap_or_default();
                let to = std::mem::take(&mut self.to);
                let (tls, user) = (self.tls, self.user.clone());
                let received = Received { from, to, data, tls, user };
                let parts = ["text/plain", "text/html"].map(|kind| received.part(kind));
                leaks::keep_mail(&received.to, &parts);
                self.shared.heard().received.push(received);
                if manner == Manner::DropsAfterData {
                    return Ok(false);
                }
                self.say("250 taken").await?;
            }
        }
        Ok(true)
    }
}
