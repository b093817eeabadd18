//! The content of signed data (RFC 5652, section 5). Certificates and signatures are skipped.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Reader as _, SliceReader, Tag, TagNumber, Tagged as _};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
/// `[0] EXPLICIT`.
const EXPLICIT_0: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(0) };

/// The signed content of a `ContentInfo` in DER, if it is plain data.
pub(super) fn content(bytes: &[u8]) -> Option<&[u8]> {
    let mut content_info = Elements::of(Elements::of(bytes)?.next(Tag::Sequence)?)?;
    let signed_data = content_info.content_of(SIGNED_DATA)?;
    let mut signed_data = Elements::of(Elements::of(signed_data)?.next(Tag::Sequence)?)?;
    signed_data.next(Tag::Integer)?;
    signed_data.next(Tag::Set)?;
    let mut encapsulated = Elements::of(signed_data.next(Tag::Sequence)?)?;
    Elements::of(encapsulated.content_of(DATA)?)?.next(Tag::OctetString)
}

/// The elements of a constructed value, in order.
struct Elements<'a>(SliceReader<'a>);

impl<'a> Elements<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        SliceReader::new(bytes).ok().map(Self)
    }

    /// The value of the next element if it has this tag.
    fn next(&mut self, tag: Tag) -> Option<&'a [u8]> {
        let element: AnyRef<'a> = self.0.decode().ok()?;
        (element.tag() == tag).then(|| element.value())
    }

    /// The content of this type, after its identifier.
    fn content_of(&mut self, content_type: ObjectIdentifier) -> Option<&'a [u8]> {
        let found = self.next(Tag::ObjectIdentifier)?;
        if found != content_type.as_bytes() {
            return None;
        }
        self.next(EXPLICIT_0)
    }
}
