//! Which of espeak-ng's voices speaks a language.

/// The languages of `Say` (FreeClimb API), each with the voice that comes nearest.
const LANGUAGES: [(&str, &str); 26] = [
    ("ca-es", "ca"),
    ("da-dk", "da"),
    ("de-de", "de"),
    ("en-au", "en-gb"),
    ("en-ca", "en-us"),
    ("en-gb", "en-gb"),
    ("en-in", "en-gb"),
    ("en-us", "en-us"),
    ("es-es", "es"),
    ("es-mx", "es-419"),
    ("fi-fi", "fi"),
    ("fr-ca", "fr-fr"),
    ("fr-fr", "fr-fr"),
    ("it-it", "it"),
    ("ja-jp", "ja"),
    ("ko-kr", "ko"),
    ("nb-no", "nb"),
    ("nl-nl", "nl"),
    ("pl-pl", "pl"),
    ("pt-br", "pt-br"),
    ("pt-pt", "pt"),
    ("ru-ru", "ru"),
    ("sv-se", "sv"),
    // The voice `cmn` of espeak-ng 1.51 reads its own pinyin as English; this one reads characters.
    ("zh-cn", "cmn-latn-pinyin"),
    ("zh-hk", "yue"),
    ("zh-tw", "cmn-latn-pinyin"),
];

/// Voices for primary languages, beyond those that carry the name of their language.
const PRIMARY: [(&str, &str); 6] = [
    ("en", "en-us"),
    ("es", "es"),
    ("fr", "fr-fr"),
    ("no", "nb"),
    ("pt", "pt"),
    ("zh", "cmn-latn-pinyin"),
];

/// Languages that `Say` does not list and espeak-ng speaks, with the voice of the same name.
const OTHERS: [&str; 47] = [
    "af", "ar", "az", "bg", "bn", "bs", "cs", "cy", "el", "eo", "et", "eu", "fa", "ga", "gu", "he",
    "hi", "hr", "hu", "hy", "id", "is", "ka", "kk", "kn", "lt", "lv", "mk", "ml", "mr", "ms", "mt",
    "ne", "pa", "ro", "sk", "sl", "sq", "sr", "sw", "ta", "te", "th", "tr", "uk", "ur", "vi",
];

/// The voice when nothing is known of a language.
const FALLBACK: &str = "en-us";

/// A voice, and how well it fits what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) voice: &'static str,
    pub(super) fit: Fit,
}

/// How well a voice fits a language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is the voice for this language.
    Meant,
    /// It speaks the same language as it is spoken elsewhere.
    SameLanguage,
    /// It speaks another language.
    Foreign,
}

/// The voice for a BCP 47 tag such as `en-US`, whatever its case.
pub(super) fn voice_for(language: &str) -> Choice {
    let tag = language.trim().to_ascii_lowercase().replace('_', "-");
    let chosen = |voice, fit| Choice { voice, fit };
    if let Some((_, voice)) = LANGUAGES.iter().find(|(listed, _)| *listed == tag) {
        return chosen(*voice, Fit::Meant);
    }
    let primary = tag.split('-').next().unwrap_or_default();
    // A language without a region names no place that would be missed.
    let fit = if primary == tag {
        Fit::Meant
    } else {
        Fit::SameLanguage
    };
    let of_primary = PRIMARY.iter().find(|(listed, _)| *listed == primary);
    if let Some((_, voice)) = of_primary {
        return chosen(*voice, fit);
    }
    if let Some(voice) = OTHERS.iter().find(|listed| **listed == primary) {
        return chosen(*voice, Fit::Meant);
    }
    let of_region = LANGUAGES
        .iter()
        .find(|(listed, _)| listed.split('-').next() == Some(primary));
    match of_region {
        Some((_, voice)) => chosen(*voice, fit),
        None => chosen(FALLBACK, Fit::Foreign),
    }
}

/// Every voice that can be chosen.
#[cfg(test)]
pub(super) fn all() -> std::collections::BTreeSet<&'static str> {
    let mapped = LANGUAGES.iter().chain(&PRIMARY).map(|(_, voice)| *voice);
    mapped.chain(OTHERS).chain([FALLBACK]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_of_the_api_has_its_voice() {
        let listed = "ca-ES da-DK de-DE en-AU en-CA en-GB en-IN en-US es-ES es-MX fi-FI fr-CA fr-FR \
                      it-IT ja-JP ko-KR nb-NO nl-NL pl-PL pt-BR pt-PT ru-RU sv-SE zh-CN zh-HK zh-TW";
        let mut count = 0;
        for language in listed.split_whitespace() {
            let choice = voice_for(language);
            assert_eq!(choice.fit, Fit::Meant, "{language}");
            count += 1;
            let primary = language.split('-').next().unwrap();
            let same = choice.voice.starts_with(primary);
            assert!(same || primary == "zh", "{language}: {}", choice.voice);
        }
        assert_eq!(count, LANGUAGES.len());
    }

    #[test]
    fn an_unknown_language_is_spoken_by_the_nearest_voice() {
        use Fit::{Foreign, Meant, SameLanguage};
        let table = [
            ("de-AT", "de", SameLanguage),
            ("en-NZ", "en-us", SameLanguage),
            ("es-AR", "es", SameLanguage),
            ("pt-AO", "pt", SameLanguage),
            ("zh-SG", "cmn-latn-pinyin", SameLanguage),
            ("tr-TR", "tr", Meant),
            ("de", "de", Meant),
            ("EN_us", "en-us", Meant),
            (" sv-SE ", "sv", Meant),
            ("tlh-QO", "en-us", Foreign),
            ("", "en-us", Foreign),
            ("-w/tmp/x", "en-us", Foreign),
            ("de;reboot", "en-us", Foreign),
        ];
        for (language, voice, fit) in table {
            assert_eq!(voice_for(language), Choice { voice, fit }, "{language}");
        }
    }
}
