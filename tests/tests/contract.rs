//! The store's contract, against SQLite and PostgreSQL.

macro_rules! tests {
    ($($module:ident: [$($test:ident),+ $(,)?];)+) => {
        mod sqlite {$(
            mod $module {$(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    rollcall_tests::contract::$module::$test(rollcall_tests::contract::Place::sqlite().await).await;
                }
            )+}
        )+}
    };
}

rollcall_tests::for_each_contract_test!(tests);
