//! From binary to decimal: the one place where floating point is calculated with.
#![expect(clippy::float_arithmetic, reason = "a guess is made and then proven by going back; nothing is rounded")]

/// Powers of ten that a guess is made with. Costs are given to ten decimals; the second is for prices of tiny units.
const GUESSES: [(i32, f64); 2] = [(10, 1e10), (15, 1e15)];

/// Decimals of up to so many digits are told apart by a double, each from each.
const TELLABLE: u64 = 1_000_000_000_000_000;

/// More than the two roundings, of the double and of its product, can move a number, as a part of it.
const NEAR: f64 = 4.0 * f64::EPSILON;

/// The shortest decimal that reads as this double, as digits and how many of them are decimals, where it is found at
/// once. Most are: the trick is that of ALP (Afroozeh, Kuffo, Boncz, <https://doi.org/10.1145/3626717>). Digits and
/// power are exact as doubles, so their quotient is the double nearest to the decimal; and of decimals with fifteen
/// digits only one reads as a given double.
pub(crate) fn short_decimal(double: f64) -> Option<(i64, i32)> {
    GUESSES.iter().find_map(|&(decimals, power)| {
        let scaled = double * power;
        // Rounds, and saturates where it is too large or no number, which going back does not confirm.
        let digits = (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i64;
        // What is farther off than scaling can have moved it is no such decimal: most are found out without a division.
        let near = (scaled - digits as f64).abs() <= scaled.abs() * NEAR;
        (near && digits.unsigned_abs() < TELLABLE && digits as f64 / power == double).then_some((digits, decimals))
    })
}
