//! Request → refused, or passed on with [`Who`]. The least role comes from the route's row; there is no way around a row.

use crate::app::App;
use crate::auth::{COOKIE, How, SESSION_S, Who};
use crate::error::ApiError;
use crate::routes::Least;
use crate::serve::Peer;
use crate::update;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;

/// Longest time until the answer's head. Streams begin their body within it and have deadlines of their own.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// State of one route's gate.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) app: Arc<App>,
    pub(crate) least: Least,
}

/// Lets in who may.
pub(crate) async fn gate(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.tls);
    let Some(role) = gate.least.role() else {
        // Nobody is known yet, but a browser on a foreign page must not try passwords or codes from here.
        let changes = changes_something(request.method(), request.headers());
        return if changes && claims_foreign_origin(request.headers(), tls) {
            foreign().into_response()
        } else {
            next.run(request).await
        };
    };
    let who = match gate.app.auth.check(request.headers()) {
        Ok(who) => who,
        Err(why) => {
            gate.app.tally.denied();
            let setup_needed = gate.app.auth.setup_needed();
            return ApiError::NotLoggedIn { why, setup_needed }.into_response();
        }
    };
    if who.how == How::Cookie
        && changes_something(request.method(), request.headers())
        && !proves_own_origin(request.headers(), tls)
    {
        return foreign().into_response();
    }
    if who.role < role {
        let words = format!("this needs the role {role}; {} has the role {}", who.name, who.role);
        return ApiError::Forbidden(words).into_response();
    }
    let renewed = gate.app.auth.renew(&who);
    request.extensions_mut().insert::<Who>(who);
    let mut answer = next.run(request).await;
    if let Some(cookie) = renewed
        && !answer.headers().contains_key(header::SET_COOKIE)
    {
        answer.headers_mut().insert(header::SET_COOKIE, set_cookie(&cookie, tls));
    }
    answer
}

fn foreign() -> ApiError {
    ApiError::Forbidden("the request comes from another site; open the recorder's own page".into())
}

/// Anything but GET and HEAD, and a WebSocket, which other sites may open with our cookie.
fn changes_something(method: &Method, headers: &HeaderMap) -> bool {
    (method != Method::GET && method != Method::HEAD) || headers.contains_key(header::UPGRADE)
}

/// A browser says where a request comes from; at least one of its two headers has to be there and none may object.
fn proves_own_origin(headers: &HeaderMap, tls: bool) -> bool {
    let says = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
    says && !claims_foreign_origin(headers, tls)
}

fn claims_foreign_origin(headers: &HeaderMap, tls: bool) -> bool {
    let site = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    let origin = headers.get(header::ORIGIN).is_some_and(|origin| !is_own(origin, headers, tls));
    site || origin
}

/// Same host and port as the request was sent to. Without our own TLS the scheme is not ours to judge: a proxy may add it.
fn is_own(origin: &HeaderValue, headers: &HeaderMap, tls: bool) -> bool {
    let Some((scheme, host)) = origin.to_str().ok().and_then(|o| o.split_once("://")) else { return false };
    let scheme_fits = scheme == "https" || (scheme == "http" && !tls);
    let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    scheme_fits && own.is_some_and(|own| own.eq_ignore_ascii_case(host))
}

/// The session cookie with this value; an empty value takes it away.
pub(crate) fn set_cookie(value: &str, tls: bool) -> HeaderValue {
    let age = if value.is_empty() { 0 } else { SESSION_S };
    let secure = if tls { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    let mut header = HeaderValue::try_from(text).expect("a token is base64url and dots");
    header.set_sensitive(true);
    header
}

/// On every answer: what a browser may do with it, and a deadline.
pub(crate) async fn outer(request: Request, next: Next) -> Response {
    const CSP: &str = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; \
                       style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    // a bundle comes in whole before anything can be said about it
    let within = if request.uri().path() == update::BUNDLE { update::BUNDLE_WITHIN } else { ANSWER_WITHIN };
    let mut answer = match tokio::time::timeout(within, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => ApiError::TimedOut("the answer").into_response(),
    };
    let headers = answer.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (header::HeaderName::from_static(k), v.parse().unwrap())).collect()
    }

    #[test]
    fn only_our_own_page_may_use_the_cookie() {
        let own = |pairs: &[_], tls| {
            let mut all = headers(pairs);
            all.insert(header::HOST, HeaderValue::from_static("nj.local:8080"));
            proves_own_origin(&all, tls)
        };
        assert!(own(&[("origin", "http://nj.local:8080")], false));
        assert!(own(&[("origin", "https://NJ.local:8080"), ("sec-fetch-site", "same-origin")], true));
        assert!(own(&[("sec-fetch-site", "same-origin")], false));
        assert!(!own(&[], false), "a browser always says where it comes from");
        assert!(!own(&[("origin", "null")], false));
        assert!(!own(&[("origin", "http://nj.local:8080")], true), "a plain page cannot be ours under TLS");
        assert!(!own(&[("origin", "http://nj.local")], false));
        assert!(!own(&[("origin", "http://nj.local:8080.evil.example")], false));
        assert!(!own(&[("sec-fetch-site", "same-site")], false));
        assert!(!own(&[("origin", "http://nj.local:8080"), ("sec-fetch-site", "cross-site")], false));
    }

    #[test]
    fn the_cookie_is_for_this_site_only_and_not_for_scripts() {
        assert_eq!(
            set_cookie("nj1.a.b", true),
            "nj_session=nj1.a.b; Path=/; Max-Age=1209600; HttpOnly; SameSite=Strict; Secure"
        );
        assert_eq!(set_cookie("", false), "nj_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict");
    }
}
