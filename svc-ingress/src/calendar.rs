//! Days and times of day by the Gregorian calendar, in UTC.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The end of the year 9999: what is later has no form in four digits.
const LAST: i64 = 253_402_300_799;

/// A second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// From Thursday, the first day of 1970.
    pub(crate) weekday: i64,
}

impl Moment {
    /// So many seconds after 1970 began; what is earlier or has a year of five digits is moved to the nearest that is not.
    pub(crate) fn since_1970(seconds: i64) -> Self {
        let seconds = seconds.clamp(0, LAST);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil(days);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        Self { year, month, day, hour, minute, second: second % 60, weekday: days % 7 }
    }

    /// The month's name, in three letters.
    pub(crate) fn month_name(self) -> &'static str {
        name(&MONTHS, self.month - 1)
    }

    /// The day's name, in three letters.
    pub(crate) fn day_name(self) -> &'static str {
        name(&DAYS, self.weekday)
    }
}

fn name(names: &[&'static str], index: i64) -> &'static str {
    names[usize::try_from(index).unwrap_or(0) % names.len()]
}

/// Year, month and day of so many days after 1970-01-01, in years of March to February.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}
