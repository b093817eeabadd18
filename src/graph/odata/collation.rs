//! Whether two texts may be equal in a service's collation. Most of Graph's workloads ignore case.
//! Their other rules are not documented: accents, width, compatibility forms, invisible characters,
//! and trailing spaces may or may not matter. A difference is certain only if it remains after the
//! strongest folding.

use std::borrow::Cow;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Letters with a mark that a collation may take for two letters: German and Nordic ones do.
const AS_TWO_LETTERS: [(&str, &str); 4] =
    [("a\u{308}", "ae"), ("o\u{308}", "oe"), ("u\u{308}", "ue"), ("a\u{30a}", "aa")];

/// Whether `holds` may be true of the texts as a service compares them.
pub(super) fn may_hold(value: &str, text: &str, holds: impl Fn(&str, &str) -> bool) -> bool {
    let (values, texts) = (foldings(value), foldings(text));
    // A character that has no plain form may be folded by rules that are not known here.
    if !values.iter().chain(&texts).all(|folded| folded.is_ascii()) {
        return true;
    }
    values.iter().any(|value| texts.iter().any(|text| holds(value, text)))
}

/// Whether a service may take a text for none at all.
pub(super) fn may_be_empty(text: &str) -> bool {
    foldings(text).iter().any(String::is_empty)
}

/// Whether a part of a text is independent of its neighbours in every collation: printable ASCII
/// does not combine.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// A text in lower case without marks, characters that are not shown, and spaces at the end, in each way in which its
/// letters with marks may be read.
fn foldings(text: &str) -> Vec<String> {
    if is_plain(text) {
        return vec![text.trim_end().to_ascii_lowercase()];
    }
    let decomposed = decomposed(text);
    let mut foldings = vec![without_marks(&decomposed)];
    let mut spelled_out = Cow::Borrowed(decomposed.as_str());
    for (letter, letters) in AS_TWO_LETTERS {
        if spelled_out.contains(letter) {
            spelled_out = Cow::Owned(spelled_out.replace(letter, letters));
        }
    }
    if let Cow::Owned(spelled_out) = spelled_out {
        foldings.push(without_marks(&spelled_out));
    }
    foldings
}

/// The compatibility decomposition in lower case. Upper case first converts `ß` to `ss` and a
/// dotless `ı` to `i`; the decomposition can produce capitals again.
fn decomposed(text: &str) -> String {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let shown: String = text.chars().filter(|c| !ignorable.contains(*c) && !c.is_control()).collect();
    let folded = shown.to_uppercase().to_lowercase();
    DecomposingNormalizerBorrowed::new_nfkd().normalize(&folded).to_lowercase()
}

fn without_marks(decomposed: &str) -> String {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let is_kept = |c: &char| {
        c.is_ascii() || !(GeneralCategoryGroup::Mark.contains(categories.get(*c)) || ignorable.contains(*c))
    };
    let mut kept: String = decomposed.chars().filter(is_kept).collect();
    kept.truncate(kept.trim_end().len());
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DecomposingNormalizerBorrowed, foldings, may_be_empty, may_hold};

    fn may_equal(value: &str, text: &str) -> bool {
        let there = may_hold(value, text, |value, text| value == text);
        assert_eq!(there, may_hold(text, value, |value, text| value == text), "{value:?}, {text:?}");
        there
    }

    #[test]
    fn texts_that_some_collation_takes_for_the_same_may_be_the_same() {
        for same in [
            &[
                "Zoe",
                "Zoë",
                "Zoe\u{308}",
                "ZOË",
                "zoe  ",
                "Z\u{ad}oe",
                "Zo\u{200b}e",
                "Zoe\u{feff}",
                "Zo\u{301}\u{fe0f}e",
            ][..],
            &["Müller", "Mu\u{308}ller", "MULLER", "Mueller", "MÜLLER\u{a0}", "Ｍｕｌｌｅｒ"],
            &["Straße", "STRASSE", "strasse", "STRAẞE", "Straſſe"],
            &["Istanbul", "İstanbul", "ıstanbul", "ISTANBUL", "i\u{307}stanbul"],
            &["file", "ﬁle", "ＦＩＬＥ", "𝖋𝖎𝖑𝖊", "ⓕⓘⓛⓔ"],
            &["12", "１２", "¹²", "①②", "1\u{2062}2", "𝟏𝟐"],
            &["Åse", "Aase", "A\u{30a}se", "Ase", "\u{212b}se"],
            &["K", "\u{212a}", "k"],
            &["ｶﾞ", "ガ", "が", "カ\u{3099}"],
            &["ΣΑΣ", "σας", "σασ"],
            &["Ørsted", "Orsted", "Oersted"],
            &["a\u{1}b", "ab", "a\u{7f}b\r\n", "a\u{34f}b", "a\u{e0041}b"],
            &["", " ", "\u{200d}", "\u{301}", "\u{3000}"],
        ] {
            for other in same {
                assert!(may_equal(same[0], other), "{:?}, {other:?}", same[0]);
            }
        }
    }

    #[test]
    fn plain_texts_that_differ_are_different() {
        for (one, other) in [
            ("Anna", "Bob"),
            ("Anna", "Anna B"),
            ("Anna", " Anna"),
            ("a-b", "ab"),
            ("Müller", "Maier"),
            ("Zoë", "Zora"),
            ("１２", "13"),
            ("a", ""),
        ] {
            assert!(!may_equal(one, other), "{one:?}, {other:?}");
        }
        assert!(!may_be_empty("a") && may_be_empty(" \u{ad}"));
    }

    /// A text written in another way that a collation may take for the same.
    fn rewritten(text: &str, how: &[usize]) -> String {
        let (nfd, nfkd) =
            (DecomposingNormalizerBorrowed::new_nfd(), DecomposingNormalizerBorrowed::new_nfkd());
        how.iter().fold(text.to_owned(), |text, how| match how {
            0 => text.to_uppercase(),
            1 => text.to_lowercase(),
            2 => nfd.normalize(&text).into_owned(),
            3 => nfkd.normalize(&text).into_owned(),
            4 => text + "  ",
            5 => text.chars().flat_map(|c| [c, '\u{200b}']).collect(),
            6 => text.chars().flat_map(|c| [c, '\u{301}']).collect(),
            _ => {
                let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap_or(c);
                text.chars().map(|c| if c.is_ascii_graphic() { wide(c) } else { c }).collect()
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_folded_alike_may_be_the_same(
            text in "\\PC{0,12}|[ -~]{0,12}|[a-zA-ZäöüßéÅıİﬁ１² ]{0,8}",
            how in proptest::collection::vec(0..8_usize, 0..4),
            after in "[a-z]{0,3}",
        ) {
            let other = rewritten(&text, &how);
            prop_assert!(may_equal(&text, &other), "{:?}", other);
            let (longer, within) = ([&*other, &after].concat(), [&*after, &other, &after].concat());
            prop_assert!(may_hold(&longer, &text, |value, text| value.starts_with(text)), "{:?}", other);
            prop_assert!(may_hold(&within, &text, |value, text| value.contains(text)), "{:?}", other);
            prop_assert_eq!(foldings(&text).len(), foldings(&text.to_uppercase()).len());
        }

        #[test]
        fn ascii_is_told_apart_but_for_case_and_spaces_at_the_end(one in "[ -~]{0,8}", other in "[ -~]{0,8}") {
            let same = one.trim_end().eq_ignore_ascii_case(other.trim_end());
            prop_assert_eq!(may_equal(&one, &other), same);
        }
    }
}
