//! What can be measured of a resource, and how each measurement is held against its limit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The time since the resource was asked for, waiting included; for what begins only once.
    ElapsedTime,
    /// The time since the resource was last turned on; for what can be turned off and on again.
    UpTime,
    /// The time since the resource last did something.
    IdleTime,
    /// The time that the resource has waited for its turn, while it waits.
    QueueTime,
    /// The time since the newest version that was approved.
    ApprovalAge,
    /// How many there are at once.
    Count,
    /// The data that a query has read so far.
    BytesScanned,
    /// The data that was read since the day began, in UTC.
    DailyBytesScanned,
    /// EC2 instances.
    Instances,
    /// Virtual processors of all instances.
    Vcpus,
    /// Graphics processors of all instances.
    Gpus,
    /// Data processing units, a fraction counted as one.
    Dpus,
    /// What was spent in the budget's period, as the cost export says.
    Spend,
    /// The same, with what was spent since the export as the usage lets estimate it.
    EstimatedSpend,
    /// Whether somebody has set a budget, in the currency of the bill.
    BudgetSet,
    /// The time since cost data last came.
    DataAge,
    /// The types of the instances.
    InstanceTypes,
    /// The release of the software.
    Release,
    /// Whether the resource ends by itself when it is idle.
    AutoTermination,
    /// Whether the resource has a security configuration.
    SecurityConfiguration,
    /// Whether a workgroup's settings hold against those of its clients.
    WorkgroupConfiguration,
    /// Whether a workgroup has a limit of bytes that a query may scan.
    ScanCutoff,
    /// Whether the resource reaches the internet without the account's network.
    InternetAccess,
    /// Whether users are root.
    RootAccess,
    /// Which network applications use.
    NetworkAccess,
    /// Whether somebody else approved what was registered.
    Approver,
    /// Whether an exemption still holds.
    Validity,
}

/// How a measurement is held against its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureKind {
    /// A time that grows by itself. At exactly the limit it is a breach.
    Time,
    /// How many there are. The oldest stay, up to the limit; the newest beyond it are the breach.
    Count,
    /// A size. What is at the limit is allowed, what is over it is a breach.
    Size,
    /// An amount of money. A level is reached at exactly its share of the budget.
    Money,
    /// Words, each of which must be allowed.
    Words,
}

/// What tells one episode of a condition from the next, where it can clear and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpisodeOf {
    /// It never comes back for the same resource: there are no episodes.
    Never,
    /// The moment from which the time is measured, or at which the resource was turned on.
    Start,
    /// The moment it was first seen, which the ledger remembers.
    FirstSeen,
}

impl Measure {
    /// How it is held against a limit.
    pub const fn kind(self) -> MeasureKind {
        match self {
            Self::ElapsedTime | Self::UpTime | Self::IdleTime | Self::QueueTime | Self::ApprovalAge | Self::DataAge => {
                MeasureKind::Time
            }
            Self::Spend | Self::EstimatedSpend => MeasureKind::Money,
            Self::Count => MeasureKind::Count,
            Self::BytesScanned | Self::DailyBytesScanned | Self::Instances | Self::Vcpus | Self::Gpus | Self::Dpus => {
                MeasureKind::Size
            }
            Self::InstanceTypes
            | Self::BudgetSet
            | Self::Release
            | Self::AutoTermination
            | Self::SecurityConfiguration
            | Self::WorkgroupConfiguration
            | Self::ScanCutoff
            | Self::InternetAccess
            | Self::RootAccess
            | Self::NetworkAccess
            | Self::Approver
            | Self::Validity => MeasureKind::Words,
        }
    }

    /// What tells one episode from the next.
    pub const fn episode(self) -> EpisodeOf {
        match self {
            // A query, a cluster, a step, a job lives once, waits once, and never unreads a byte.
            Self::ElapsedTime | Self::QueueTime | Self::BytesScanned => EpisodeOf::Never,
            // For a count: the resource is beyond the cap from its own start, because only older ones count before it.
            Self::UpTime
            | Self::IdleTime
            | Self::ApprovalAge
            | Self::Count
            | Self::DailyBytesScanned
            | Self::Spend
            | Self::EstimatedSpend
            | Self::DataAge
            | Self::Validity => EpisodeOf::Start,
            _ => EpisodeOf::FirstSeen,
        }
    }

    /// What the measured resource does, for a sentence: `it has run 10m of the 5m allowed`.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::ElapsedTime => "has run",
            Self::UpTime => "has been up",
            Self::IdleTime => "has been idle",
            Self::QueueTime => "has waited",
            Self::ApprovalAge => "was last approved",
            Self::DataAge => "last brought data",
            Self::Spend | Self::EstimatedSpend => "has spent",
            Self::Count => "is one of",
            Self::BytesScanned | Self::DailyBytesScanned => "has scanned",
            Self::Instances | Self::Vcpus | Self::Gpus | Self::Dpus => "has",
            _ => "has",
        }
    }

    /// The unit or the name of what is measured, for a sentence: `it has 12 instances`.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Instances => " instances",
            Self::Vcpus => " vCPUs",
            Self::Gpus => " GPUs",
            Self::Dpus => " DPUs",
            Self::DailyBytesScanned => " today",
            Self::ApprovalAge | Self::DataAge => " ago",
            Self::BudgetSet => "budget",
            Self::InstanceTypes => "instance type",
            Self::Release => "release",
            Self::AutoTermination => "auto-termination",
            Self::SecurityConfiguration => "security configuration",
            Self::WorkgroupConfiguration => "configuration",
            Self::ScanCutoff => "scan cutoff",
            Self::InternetAccess => "internet access",
            Self::RootAccess => "root access",
            Self::NetworkAccess => "network access",
            Self::Approver => "approver",
            Self::Validity => "validity",
            _ => "",
        }
    }
}
