//! What is asked of an export: which charges count, and what the sums are of.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Which cost a line stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Charges {
    /// What was billed on the day: upfront fees in full, covered usage at nothing.
    #[default]
    Unblended,
    /// The same after discounts.
    NetUnblended,
    /// Fees of commitments spread over the usage that they cover.
    Amortized,
    /// The same after discounts.
    NetAmortized,
}

/// A kind of line that may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Taxes.
    Tax,
    /// Credits.
    Credit,
    /// Refunds and corrections of earlier bills.
    Refund,
    /// AWS Support.
    Support,
    /// Fees: upfront and recurring ones of commitments, and purchases.
    Fee,
    /// Discounts that stand as lines of their own.
    Discount,
}

/// What the sums are of. Whatever is not asked for is summed over, and takes no memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dimensions {
    /// By the account that used it.
    pub account: bool,
    /// By service, as the export names it.
    pub service: bool,
    /// By the value of the owner's tag.
    pub owner: bool,
    /// By the day, in UTC, on which the usage began.
    pub day: bool,
}

/// What is asked of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Which cost counts.
    pub charges: Charges,
    /// What is left out. Nothing is, unless it stands here.
    pub exclude: BTreeSet<Category>,
    /// What the sums are of.
    pub by: Dimensions,
    /// The key of the tag that names the owner, as users write it, such as `owner`.
    pub owner_tag: String,
    /// Whether the amounts of usage are summed as well, by account, service, unit and day: see [`crate::Usage`].
    pub usage: bool,
}

impl Charges {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unblended, Self::NetUnblended, Self::Amortized, Self::NetAmortized];

    /// The name used in settings and on the command line, such as `net_unblended`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unblended => "unblended",
            Self::NetUnblended => "net_unblended",
            Self::Amortized => "amortized",
            Self::NetAmortized => "net_amortized",
        }
    }
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Tax, Self::Credit, Self::Refund, Self::Support, Self::Fee, Self::Discount];

    /// The name used in settings and on the command line, such as `tax`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tax => "tax",
            Self::Credit => "credit",
            Self::Refund => "refund",
            Self::Support => "support",
            Self::Fee => "fee",
            Self::Discount => "discount",
        }
    }
}

impl fmt::Display for Charges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is none of those expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is unknown, expected one of `{}`", .expected.join("`, `"))]
pub struct UnknownWord {
    word: String,
    expected: Vec<&'static str>,
}

impl FromStr for Charges {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let unknown = || UnknownWord { word: word.to_owned(), expected: Self::ALL.map(Self::as_str).to_vec() };
        Self::ALL.into_iter().find(|charges| charges.as_str() == word).ok_or_else(unknown)
    }
}

impl FromStr for Category {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let unknown = || UnknownWord { word: word.to_owned(), expected: Self::ALL.map(Self::as_str).to_vec() };
        Self::ALL.into_iter().find(|category| category.as_str() == word).ok_or_else(unknown)
    }
}
