//! Money: exact decimal amounts and their currency. Never floating point, never rounded unless a sentence is made of it.

use std::borrow::Cow;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub};
use std::str::FromStr;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, Signed, ToPrimitive, Zero};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decimals of what is worked out by division: rates, means, shares. Sums and products have as many as they need.
const DIVIDED_TO: i64 = 12;

/// Decimals of the smallest unit that amounts are compared in with a limit; see [`Money::base_units`].
const BASE_UNIT: i64 = 9;

/// An exact decimal number. Text and JSON have it without an exponent and without zeros at its end, such as `-12.5`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(BigDecimal);

impl Amount {
    /// `digits` times ten to the power of minus `scale`: `new(125, 1)` is 12.5.
    pub fn new(digits: i128, scale: i64) -> Self {
        Self(BigDecimal::new(BigInt::from(digits), scale).normalized())
    }

    /// Nothing.
    pub fn zero() -> Self {
        Self::default()
    }

    /// Whether it is nothing.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is less than nothing.
    pub fn is_negative(&self) -> bool {
        self.0.is_negative()
    }

    /// Without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self(self.0.abs())
    }

    /// The quotient, to twelve decimals; none by zero.
    pub fn divided_by(&self, divisor: &Self) -> Option<Self> {
        (!divisor.is_zero()).then(|| Self((&self.0 / &divisor.0).with_scale_round(DIVIDED_TO, RoundingMode::HalfEven)))
    }

    /// To so many decimals, half to even.
    #[must_use]
    pub fn rounded(&self, decimals: u8) -> Self {
        Self(self.0.with_scale_round(i64::from(decimals), RoundingMode::HalfEven))
    }

    /// The whole number at or below it; as far as can be for what does not fit.
    pub fn whole(&self) -> i64 {
        let (digits, _) = self.0.with_scale_round(0, RoundingMode::Floor).into_bigint_and_exponent();
        digits.to_i64().unwrap_or(if self.is_negative() { i64::MIN } else { i64::MAX })
    }

    /// Exactly, with at least so many decimals: `12.5` with two is `12.50`.
    pub fn with_decimals(&self, decimals: u8) -> String {
        let normal = self.0.normalized();
        let scale = normal.fractional_digit_count().max(i64::from(decimals));
        normal.with_scale(scale).to_plain_string()
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.normalized().to_plain_string())
    }
}

/// A text that is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a decimal number such as `1500.00`")]
pub struct NotAnAmount;

impl FromStr for Amount {
    type Err = NotAnAmount;

    /// Reads `1500.00`, `-3`, `1.81E-8`.
    fn from_str(text: &str) -> Result<Self, NotAnAmount> {
        let number: BigDecimal = text.parse().map_err(|_| NotAnAmount)?;
        // An exponent of a billion would be written out as a billion digits.
        let sane = (-400..=400).contains(&number.fractional_digit_count());
        if sane { Ok(Self(number)) } else { Err(NotAnAmount) }
    }
}

impl From<i64> for Amount {
    fn from(number: i64) -> Self {
        Self(BigDecimal::from(number))
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign<&Self> for Amount {
    fn add_assign(&mut self, other: &Self) {
        self.0 += &other.0;
    }
}

impl Sub for Amount {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl Mul for &Amount {
    type Output = Amount;

    fn mul(self, other: Self) -> Amount {
        Amount(&self.0 * &other.0)
    }
}

impl Neg for Amount {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Amount {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::zero(), Add::add)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An exact decimal number, as text.",
            "type": "string",
            "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
        })
    }
}

/// A currency by its three letters, such as `USD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The US dollar, which AWS bills in unless it was told otherwise.
    pub const USD: Self = Self(*b"USD");

    /// Its three letters.
    pub fn as_str(&self) -> &str {
        // Only letters ever get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a currency of three capital letters such as `USD`")]
pub struct NotACurrency;

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(Self(letters)) } else { Err(NotACurrency) }
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A currency by its three letters.",
            "type": "string",
            "pattern": "^[A-Z]{3}$",
        })
    }
}

/// An amount of a currency. Text and JSON have it exactly, with two decimals or more: `1500.00 USD`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money {
    /// The currency.
    pub currency: Currency,
    /// How much of it.
    pub amount: Amount,
}

impl Money {
    /// So much of a currency.
    pub fn new(amount: Amount, currency: Currency) -> Self {
        Self { currency, amount }
    }

    /// The amount in billionths, rounded down. A percentage of a limit with up to seven decimals is a whole number of
    /// them, so whoever compares these compares exactly. What does not fit is as far off as can be.
    pub fn base_units(&self) -> i128 {
        let units = self.amount.0.with_scale_round(BASE_UNIT, RoundingMode::Floor);
        let saturated = if self.amount.is_negative() { i128::MIN / 1000 } else { i128::MAX / 1000 };
        let (digits, _) = units.into_bigint_and_exponent();
        // Percentages are taken of it, up to a thousand.
        digits.to_i128().filter(|digits| digits.unsigned_abs() <= saturated.unsigned_abs()).unwrap_or(saturated)
    }

    /// The amount as a sentence gives it: to the cent.
    #[must_use]
    pub fn brief(&self) -> Self {
        Self { currency: self.currency, amount: self.amount.rounded(2) }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount.with_decimals(2), self.currency)
    }
}

/// A text that is no money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an amount and its currency such as `1500.00 USD`")]
pub struct NotMoney;

impl FromStr for Money {
    type Err = NotMoney;

    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let (amount, currency) = text.trim().split_once(' ').ok_or(NotMoney)?;
        Ok(Self {
            amount: amount.parse().map_err(|_| NotMoney)?,
            currency: currency.trim_start().parse().map_err(|_| NotMoney)?,
        })
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An exact amount and its currency.",
            "type": "string",
            "pattern": r"^-?[0-9]+\.[0-9]{2,} [A-Z]{3}$",
        })
    }
}

#[cfg(test)]
mod tests;
