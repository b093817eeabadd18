//! The extended key usage of a certificate.

/// Tags of DER.
const OBJECT_IDENTIFIER: u8 = 0x06;
const OCTET_STRING: u8 = 0x04;
/// `[3]`, where a certificate has its extensions.
const EXTENSIONS: u8 = 0xa3;
/// `2.5.29.37`.
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// `1.3.6.1.5.5.7.3.1`.
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];

/// Whether a certificate in DER may be that of a server: it has no extended key usage, or one with serverAuth (RFC 5280,
/// section 4.2.1.12). One that cannot be read may not.
pub(super) fn allows_servers(certificate: &[u8]) -> bool {
    let tbs = first(certificate).and_then(|(_, certificate)| first(certificate));
    let Some((_, tbs)) = tbs else { return false };
    let Some((_, extensions)) = Elements(tbs).find(|(tag, _)| *tag == EXTENSIONS) else { return true };
    let Some((_, extensions)) = first(extensions) else { return false };
    let is_usage = |extension: &&[u8]| first(extension) == Some((OBJECT_IDENTIFIER, EXTENDED_KEY_USAGE));
    let Some(usage) = Elements(extensions).map(|(_, extension)| extension).find(is_usage) else {
        return true;
    };
    let value = Elements(usage).find(|(tag, _)| *tag == OCTET_STRING);
    let purposes = value.and_then(|(_, value)| first(value)).map(|(_, purposes)| purposes);
    Elements(purposes.unwrap_or_default()).any(|purpose| purpose == (OBJECT_IDENTIFIER, SERVER_AUTH))
}

/// The tag and the content of the first element.
fn first(der: &[u8]) -> Option<(u8, &[u8])> {
    Elements(der).next()
}

/// The elements of a sequence, each with tag and content, up to the first that cannot be read.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (length, rest) = rest.split_first()?;
        let (length, rest) = if *length < 0x80 {
            (usize::from(*length), rest)
        } else {
            let (bytes, rest) = rest.split_at_checked(usize::from(*length & 0x7f))?;
            let length = bytes.iter().try_fold(0_usize, |length, byte| {
                length.checked_mul(0x100)?.checked_add(usize::from(*byte))
            })?;
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

#[cfg(test)]
mod tests {
    use super::allows_servers;

    #[test]
    fn what_is_no_certificate_is_not_for_servers() {
        for der in [&[][..], &[0x30], &[0x30, 0x84, 0xff], &[0x30, 0x89, 1, 1, 1, 1, 1, 1, 1, 1, 1], &[0; 9]]
        {
            assert!(!allows_servers(der), "{der:?}");
        }
    }
}
