//! What a line is and what it costs: the kinds of charges, and the formulas by which AWS itself adds them up.

use crate::layout::{Export, Field};
use crate::question::{Category, Charges};

/// What a line is: <https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2-line-item.html>, and for
/// FOCUS its charge category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Usage,
    /// Usage that a reservation covers.
    Reserved,
    /// Usage that a savings plan covers.
    Covered,
    /// What takes the on-demand cost of covered usage off again.
    Negation,
    UpfrontFee,
    RecurringFee,
    /// The recurring fee of a reservation.
    ReservationFee,
    /// An upfront fee of a reservation, and what is bought otherwise.
    Fee,
    Tax,
    Credit,
    Refund,
    Discount,
    /// What this version does not know; it counts, and is never left out.
    Other,
}

impl Kind {
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "Usage" => Self::Usage,
            "DiscountedUsage" => Self::Reserved,
            "SavingsPlanCoveredUsage" => Self::Covered,
            "SavingsPlanNegation" => Self::Negation,
            "SavingsPlanUpfrontFee" => Self::UpfrontFee,
            "SavingsPlanRecurringFee" => Self::RecurringFee,
            "RIFee" => Self::ReservationFee,
            "Fee" | "Purchase" => Self::Fee,
            "Tax" => Self::Tax,
            "Credit" => Self::Credit,
            "Refund" | "Adjustment" => Self::Refund,
            // `EdpDiscount`, `PrivateRateDiscount`, `BundledDiscount`, `SppDiscount`, `RiVolumeDiscount` and the like.
            word if word.ends_with("Discount") => Self::Discount,
            _ => Self::Other,
        }
    }

    /// The category it belongs to by itself.
    pub(crate) fn category(self) -> Option<Category> {
        match self {
            Self::Tax => Some(Category::Tax),
            Self::Credit => Some(Category::Credit),
            Self::Refund => Some(Category::Refund),
            Self::Discount => Some(Category::Discount),
            Self::Fee | Self::UpfrontFee | Self::RecurringFee | Self::ReservationFee => Some(Category::Fee),
            Self::Usage | Self::Reserved | Self::Covered | Self::Negation | Self::Other => None,
        }
    }

    /// Whether it says how much was used.
    pub(crate) fn is_usage(self) -> bool {
        matches!(self, Self::Usage | Self::Reserved | Self::Covered)
    }
}

/// Whether a service is AWS Support, under the product codes and service names that it has had, such as
/// `AWSSupportBusiness`, `OCBPremiumSupport` and `AWS Support (Enterprise)`.
pub(crate) fn is_support(service: &str) -> bool {
    service.contains("Support") && (service.starts_with("AWS") || service.starts_with("OCB"))
}

/// Whether a line belongs to a reservation, by what it says of its ARN.
pub(crate) fn is_reservation(arn: &[u8]) -> bool {
    !arn.is_empty() && !arn.eq_ignore_ascii_case(b"NULL")
}

/// How the cost of a line is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Formula {
    /// It stands in one column, whatever the line is.
    OneColumn,
    /// Fees of commitments are spread over what they cover, by the kind of the line. This is the formula of AWS's own
    /// query library, <https://catalog.workshops.aws/cur-query-library>.
    Spread,
}

/// What a line of a kind costs by the formula that spreads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    Nothing,
    /// What stands in this column.
    In(Field),
    /// What stands in both.
    Sum(Field, Field),
    /// What stands in the first without what stands in the second.
    Difference(Field, Field),
    /// What stands in `Cost`, unless the line belongs to a reservation: then it is spread over other lines.
    UnlessReserved,
}

impl Formula {
    pub(crate) fn of(export: Export, charges: Charges) -> Self {
        match (export, charges) {
            (Export::Focus, _) | (_, Charges::Unblended | Charges::NetUnblended) => Self::OneColumn,
            (_, Charges::Amortized | Charges::NetAmortized) => Self::Spread,
        }
    }
}

impl Cost {
    pub(crate) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Covered => Self::In(Field::CoveredCost),
            // What of the commitment was not used. AWS gives no figures after discounts for it.
            Kind::RecurringFee => Self::Difference(Field::Commitment, Field::UsedCommitment),
            Kind::Negation | Kind::UpfrontFee => Self::Nothing,
            Kind::Reserved => Self::In(Field::ReservedCost),
            Kind::ReservationFee => Self::Sum(Field::UnusedUpfront, Field::UnusedRecurring),
            Kind::Fee => Self::UnlessReserved,
            Kind::Usage | Kind::Tax | Kind::Credit | Kind::Refund | Kind::Discount | Kind::Other => {
                Self::In(Field::Cost)
            }
        }
    }

    /// The columns that it needs.
    pub(crate) fn fields(self) -> impl Iterator<Item = Field> {
        let fields = match self {
            Self::Nothing => [None, None],
            Self::In(field) => [Some(field), None],
            Self::Sum(one, other) | Self::Difference(one, other) => [Some(one), Some(other)],
            Self::UnlessReserved => [Some(Field::Cost), Some(Field::Reservation)],
        };
        fields.into_iter().flatten()
    }
}
