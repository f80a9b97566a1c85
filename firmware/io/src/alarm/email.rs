//! Messages → mails in plain text, with the event's picture, through a mail server of the owner's.

use super::http::Failure;
use super::message::{Message, Post, Writer, picture};
use super::{Alarm, Ended, Letter, Opening, Pictures, message};
use futures_util::future::BoxFuture;
use lettre::address::AddressError;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use nightjar_types::config::{self, MailTls};

/// A mail takes a handful of answers.
const ANSWERS: u32 = 3;
/// Answers that mean the login: RFC 4954, section 6.
const LOGIN_REFUSED: [u16; 3] = [530, 534, 535];

struct Email {
    server: AsyncSmtpTransport<Tokio1Executor>,
    address: String,
    from: Mailbox,
    to: Vec<Mailbox>,
    pictures: Option<Pictures>,
}

pub(super) fn open(opening: &Opening<'_>) -> Result<Vec<Alarm>, String> {
    let Some(email) = &opening.config.world.email else { return Ok(Vec::new()) };
    let mailbox = |address: &String| {
        let wrong = |e: AddressError| format!("[email]: \"{address}\" is no mail address: {e}");
        address.parse().map_err(wrong).map(|address| Mailbox::new(None, address))
    };
    let address = format!("{}:{}", email.host, email.port);
    let courier = Email {
        server: server(opening, email)?,
        address: address.clone(),
        from: mailbox(&email.from)?,
        to: email.to.iter().map(mailbox).collect::<Result<_, _>>()?,
        pictures: email.picture.then(|| opening.pictures.clone()),
    };
    Ok(vec![Alarm {
        id: "email".into(),
        target: address,
        offline: "Needs the internet, or a mail server on the local network: without it messages wait for up to a day.",
        room: message::ROOM,
        longest: message::LONGEST,
        scribe: Box::new(Writer::new(opening, email.tells)),
        courier: message::courier(courier, opening.deadline * ANSWERS),
    }])
}

fn server(
    opening: &Opening<'_>,
    email: &config::Email,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host)
        .port(email.port)
        .hello_name(ClientId::Domain(opening.device()))
        .timeout(Some(opening.deadline))
        .tls(match email.tls {
            MailTls::Always => Tls::Wrapper(tls(email)?),
            MailTls::StartTls => Tls::Required(tls(email)?),
            MailTls::Off => Tls::None,
        });
    if let Some((username, password)) = email.username.as_ref().zip(email.password.as_ref()) {
        let password = (opening.reveal)("[email] password", password)?;
        server = server.credentials(Credentials::new(username.clone(), password.reveal().clone()));
    }
    Ok(server.build())
}

fn tls(email: &config::Email) -> Result<TlsParameters, String> {
    let mut tls = TlsParameters::builder(email.host.clone());
    if let Some(file) = &email.ca_file {
        let pem = super::tls::ca("[email]", file)?;
        let ca = Certificate::from_pem(&pem).map_err(|e| format!("[email]: ca_file {file}: {e}"))?;
        tls = tls.certificate_store(CertificateStore::None).add_root_certificate(ca);
    }
    tls.build_rustls().map_err(|e| format!("[email]: TLS: {e}"))
}

impl Post for Email {
    fn post<'a>(&'a mut self, letter: &'a Letter) -> BoxFuture<'a, Result<String, Failure>> {
        Box::pin(async move {
            let message = Message::read(letter)?;
            let jpeg = picture(self.pictures.as_ref(), letter).await;
            let mut mail = lettre::Message::builder()
                .from(self.from.clone())
                .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())))
                .subject(format!("{}: {}", message.title, message.text.lines().next().unwrap_or_default()));
            for to in &self.to {
                mail = mail.to(to.clone());
            }
            let text = SinglePart::plain(message.words());
            let mail = match jpeg {
                None => mail.singlepart(text),
                Some(jpeg) => {
                    let picture = Attachment::new("event.jpg".into());
                    let picture =
                        picture.body(jpeg.to_vec(), ContentType::parse("image/jpeg").expect("a type"));
                    mail.multipart(MultiPart::mixed().singlepart(text).singlepart(picture))
                }
            };
            let mail = mail.map_err(|e| Failure::Never(e.to_string()))?;
            match self.server.send(mail).await {
                Ok(answer) => Ok(format!("{} answers {}", self.address, answer.code())),
                Err(e) => Err(self.failure(&e)),
            }
        })
    }
}

impl Email {
    fn failure(&self, e: &lettre::transport::smtp::Error) -> Failure {
        let (address, code) = (&self.address, e.status().map(u16::from));
        match code {
            Some(code) if LOGIN_REFUSED.contains(&code) => Failure::Later(Ended::slow(format!(
                "{address} refuses user name or password ({code}): correct [email] username and password"
            ))),
            Some(code) if e.is_permanent() => Failure::Never(format!("{address} answers {code}: {e}")),
            _ if e.is_tls() => Failure::Later(Ended::slow(format!(
                "{address}: {e}; if its certificate is of a CA of your own, name that in [email] ca_file"
            ))),
            _ => Failure::Later(Ended::soon(format!("{address} cannot be reached: {e}"))),
        }
    }
}
