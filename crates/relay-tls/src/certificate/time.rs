//! The two ways a certificate writes a time (RFC 5280 §4.1.2.5).

use std::time::{Duration, SystemTime};

use super::der::{Reader, tag};

/// Reads a `Time`; what lies before 1970 counts as 1970.
pub(crate) fn read(reader: &mut Reader<'_>) -> Option<SystemTime> {
    let (found, text) = reader.any()?;
    let (year, rest) = match found {
        tag::UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        tag::GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let digits = rest
        .strip_suffix(b"Z")
        .filter(|digits| digits.len() == 10)?;
    let mut fields = digits.chunks_exact(2).map(number);
    let mut field =
        |range: std::ops::RangeInclusive<u64>| fields.next()?.filter(|value| range.contains(value));
    let (month, day) = (field(1..=12)?, field(1..=31)?);
    let (hour, minute, second) = (field(0..=23)?, field(0..=59)?, field(0..=59)?);
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u64::from(digit - b'0'))
    })
}

/// Howard Hinnant's `days_from_civil`: a year that begins in March puts the leap day last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 {
        year.saturating_sub(1)
    } else {
        year
    };
    let era = year / 400;
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(tag: u8, text: &str) -> Option<u64> {
        let bytes = super::super::der::element(tag, &[text.as_bytes()]);
        let time = read(&mut Reader::new(&bytes))?;
        Some(
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
                .as_secs(),
        )
    }

    #[test]
    fn reads_both_forms() {
        assert_eq!(seconds(tag::UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(seconds(tag::UTC_TIME, "000229123456Z"), Some(951_827_696));
        assert_eq!(seconds(tag::UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(
            seconds(tag::UTC_TIME, "500101000000Z"),
            Some(0),
            "1950 counts as 1970"
        );
        assert_eq!(
            seconds(tag::GENERALIZED_TIME, "20500101000000Z"),
            Some(2_524_608_000)
        );
        assert_eq!(
            seconds(tag::GENERALIZED_TIME, "20261122092200Z"),
            Some(1_795_339_320)
        );
        assert_eq!(
            seconds(tag::GENERALIZED_TIME, "99991231235959Z"),
            Some(253_402_300_799)
        );
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "Z",
            "700101000000",
            "7001010000Z",
            "701301000000Z",
            "700132000000Z",
            "70010124000ZZ",
            "7001010000-1Z",
        ] {
            assert_eq!(seconds(tag::UTC_TIME, text), None, "{text}");
        }
        assert_eq!(seconds(tag::INTEGER, "700101000000Z"), None);
    }
}
