//! Where the hub itself is: what its own functions say of sandboxes is believed, and it is no sandbox.

use lambda::settings::Environment;

/// The hub's account and Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// Its account.
    pub account: String,
    /// Its Region.
    pub region: String,
}

impl Hub {
    /// Reads where it is: the Region is that of the function.
    pub fn read<F: Fn(&str) -> Option<String>>(environment: &mut Environment<F>) -> Option<Self> {
        let account = environment.text("HUB_ACCOUNT");
        let region = environment.text("AWS_REGION");
        Some(Self { account: account?, region: region? })
    }

    /// Whether this account and Region are the hub's.
    pub fn is(&self, account: &str, region: &str) -> bool {
        (account, region) == (&self.account, &self.region)
    }
}
