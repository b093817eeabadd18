//! Errors of TLS as sentences.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, OtherError};

/// The causes of an error, outermost first, with errors of TLS as sentences.
#[must_use]
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut sentences = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        sentences.push(sentence(cause));
        next = cause.source();
    }
    sentences.dedup();
    sentences.join(": ")
}

/// An error and its causes, outermost first, with errors of TLS as sentences.
#[must_use]
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let (first, causes) = (sentence(error), causes(error));
    if causes.is_empty() || causes.starts_with(&first) {
        first.max(causes)
    } else {
        format!("{first}: {causes}")
    }
}

/// One error of a chain. Shared errors, and those of input and output, wrap those of TLS.
fn sentence(error: &(dyn Error + 'static)) -> String {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return describe_tls(error);
    }
    if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        return sentence(&**shared);
    }
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => sentence(inner),
        None => error.to_string(),
    }
}

/// An error of TLS as a sentence.
#[must_use]
pub fn describe_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => certificate(error),
        rustls::Error::InvalidMessage(_) => "the response is not one of TLS".to_owned(),
        rustls::Error::PeerIncompatible(_) => {
            "the other side supports no version or cipher suite of TLS that this program supports".to_owned()
        }
        rustls::Error::AlertReceived(alert) => format!("the other side ended TLS with the alert {alert:?}"),
        rustls::Error::NoCertificatesPresented => "the other side has no certificate".to_owned(),
        rustls::Error::InconsistentKeys(_) => "the key is not that of the certificate".to_owned(),
        rustls::Error::General(text) => text.clone(),
        error => error.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    let problem = match error {
        CertificateError::UnknownIssuer => "is not issued by a trusted authority",
        CertificateError::ExpiredContext { not_after, .. } => {
            return format!("the certificate was valid until {}", time(*not_after));
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            return format!("the certificate is not valid before {}", time(*not_before));
        }
        CertificateError::NotValidForNameContext { expected, .. } => {
            return format!("the certificate is not valid for the name {}", expected.to_str());
        }
        CertificateError::Expired => "has expired",
        CertificateError::NotValidYet => "is not valid yet",
        CertificateError::NotValidForName => "is not valid for the name of the server",
        CertificateError::Revoked => "was revoked",
        CertificateError::BadEncoding => "cannot be read",
        CertificateError::BadSignature => "or the handshake has a wrong signature",
        CertificateError::UnhandledCriticalExtension => "has a critical extension that is not supported",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => WRONG_PURPOSE,
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "has a signature of an algorithm that is not supported"
        }
        CertificateError::Other(OtherError(error)) => match error.downcast_ref::<webpki::Error>() {
            Some(error) => chain(error),
            // The verifier of the system's authorities has an error of its own for this one, which cannot be named.
            None if error.to_string() == "certificate had invalid extensions" => WRONG_PURPOSE,
            None => "cannot be verified",
        },
        _ => "cannot be verified",
    };
    format!("the certificate {problem}")
}

const WRONG_PURPOSE: &str = "is not for servers: its extended key usage is without serverAuth";

/// Errors of a certificate chain that have no name of their own in TLS.
fn chain(error: &webpki::Error) -> &'static str {
    match error {
        webpki::Error::CaUsedAsEndEntity => {
            "is that of an authority (CA:TRUE), which is trusted only if it is configured itself"
        }
        webpki::Error::EndEntityUsedAsCa => "is issued by a certificate that is not that of an authority",
        webpki::Error::NameConstraintViolation => "has a name that its authority may not issue",
        webpki::Error::PathLenConstraintViolated => "has more intermediate authorities than allowed",
        webpki::Error::UnsupportedCertVersion => "is not of version 3 of X.509",
        webpki::Error::UnsupportedCriticalExtension => "has a critical extension that is not supported",
        webpki::Error::EmptyEkuExtension => WRONG_PURPOSE,
        webpki::Error::MalformedExtensions | webpki::Error::ExtensionValueInvalid => {
            "has an extension that cannot be read"
        }
        _ => "cannot be verified",
    }
}

/// A time as in `2020-01-01T00:00:00Z`.
fn time(time: UnixTime) -> String {
    // Later times cannot be printed.
    let seconds = time.as_secs().min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
