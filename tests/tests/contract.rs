//! The store's contract, against SQLite and PostgreSQL.

use rollcall_tests::contract::{self, Place};

macro_rules! tests {
    ($($module:ident: [$($test:ident),+ $(,)?];)+) => {
        mod sqlite {
            use super::*;
            $(mod $module {
                use super::*;
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    contract::$module::$test(Place::sqlite().await).await;
                })+
            })+
        }
        mod postgres {
            use super::*;
            $(mod $module {
                use super::*;
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    contract::$module::$test(Place::postgres().await).await;
                })+
            })+
        }
    };
}

rollcall_tests::for_each_contract_test!(tests);

/// Only PostgreSQL has several collectors.
mod many_collectors {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn hear_each_other() {
        contract::commits::two_collectors_hear_each_other(Place::postgres().await).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn commit_in_turn() {
        contract::commits::two_collectors_commit_in_turn(Place::postgres().await).await;
    }
}
