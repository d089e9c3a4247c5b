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
