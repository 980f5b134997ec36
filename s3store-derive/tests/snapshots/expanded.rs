#[allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    unreachable_pub,
    private_interfaces
)]
#[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
const _: () = {
    use ::s3store::__private as _s3store;
    #[doc(hidden)]
    pub struct CostColumns {
        pub charge_period: _s3store::Column<Cost, String, _s3store::Plain>,
        pub customer_id: _s3store::Column<Cost, String, _s3store::Plain>,
        pub shard: _s3store::Column<Cost, u16, _s3store::Plain>,
        pub net_cost: _s3store::Column<Cost, Decimal, _s3store::DecimalOf<18u8, 6i8>>,
        pub color: _s3store::Column<Cost, Option<Color>, _s3store::WithOption<Hex>>,
        pub currency: _s3store::Column<Cost, String, _s3store::Plain>,
        pub calculated_at: _s3store::Column<
            Cost,
            DateTime<Utc>,
            _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
        >,
        pub inserted_at: _s3store::Column<Cost, Option<DateTime<Utc>>, _s3store::Plain>,
    }
    ///A pattern for partitions of [`Cost`]. Each method narrows it.
    #[derive(::core::clone::Clone, ::core::fmt::Debug)]
    pub struct CostPartitions(_s3store::PatternBuilder);
    impl CostPartitions {
        fn all() -> Self {
            Self(
                _s3store::PatternBuilder::new(
                    &["charge_period", "region", "month", "shard-no"],
                ),
            )
        }
        ///Selects by `charge_period`, which is the field `charge_period`.
        ///
        ///Takes an exact value, `prefix("…")`, or a half-open range if the text of the type sorts like its values.
        #[must_use]
        pub fn charge_period(
            self,
            values: impl _s3store::IntoSelection<
                <String as _s3store::PartitionValue>::Kind,
                String,
            >,
        ) -> Self {
            Self(self.0.with("charge_period", values))
        }
        ///Selects by `region`, which is the result of `region_of` for `customer_id`.
        ///
        ///Takes an exact text, `prefix("…")`, or a half-open range of texts.
        #[must_use]
        pub fn region(
            self,
            values: impl _s3store::IntoSelection<_s3store::Text, ::std::string::String>,
        ) -> Self {
            Self(self.0.with("region", values))
        }
        ///Selects by `month`, which is the field `calculated_at` in the format `%Y-%m`.
        ///
        ///Takes an exact time, `prefix("…")`, or a half-open range of times.
        #[must_use]
        pub fn month(
            self,
            values: impl _s3store::IntoSelection<
                _s3store::Rendered<CostPart2>,
                DateTime<Utc>,
            >,
        ) -> Self {
            Self(self.0.with("month", values))
        }
        ///Selects by `shard-no`, which is the field `shard` padded to 4 digits.
        ///
        ///Takes an exact value, `prefix("…")`, or a half-open range if the text of the type sorts like its values.
        #[must_use]
        pub fn shard_no(
            self,
            values: impl _s3store::IntoSelection<_s3store::Rendered<CostPart3>, u16>,
        ) -> Self {
            Self(self.0.with("shard-no", values))
        }
    }
    impl _s3store::Sealed for CostPartitions {}
    #[automatically_derived]
    impl _s3store::IntoPatterns for CostPartitions {
        fn into_patterns(
            self,
            names: &[&::core::primitive::str],
        ) -> _s3store::Result<::std::vec::Vec<_s3store::Pattern>> {
            self.0.into_patterns(names)
        }
    }
    #[doc(hidden)]
    pub enum CostPart2 {}
    #[automatically_derived]
    impl _s3store::PartitionFormat for CostPart2 {
        type Value = DateTime<Utc>;
        fn render(value: &DateTime<Utc>) -> _s3store::Result<::std::string::String> {
            ::core::result::Result::Ok(
                _s3store::format_time::<
                    DateTime<Utc>,
                    _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
                >(value, "%Y-%m")?,
            )
        }
    }
    impl _s3store::Ordered for CostPart2 {}
    #[doc(hidden)]
    pub enum CostPart3 {}
    #[automatically_derived]
    impl _s3store::PartitionFormat for CostPart3 {
        type Value = u16;
        fn render(value: &u16) -> _s3store::Result<::std::string::String> {
            ::core::result::Result::Ok(_s3store::pad::<u16, _s3store::Plain>(value, 4)?)
        }
    }
    impl _s3store::Ordered for CostPart3 {}
    const _: () = {
        _s3store::assert_entity::<String, _s3store::Plain>();
        _s3store::assert_entity::<String, _s3store::Plain>();
        _s3store::assert_version::<
            DateTime<Utc>,
            _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
        >();
    };
    const _: () = ::core::assert!(
        _s3store::all_distinct(& [< SkuPeriod as _s3store::View > ::NAME, <
        other::ByCustomer as _s3store::View > ::NAME]), "two views have the same name"
    );
    #[automatically_derived]
    impl _s3store::Record for Cost {
        type Root = Self;
        type Columns = CostColumns;
        const COLUMNS: CostColumns = CostColumns {
            charge_period: _s3store::Column::new(
                "charge_period",
                |record| &record.charge_period,
            ),
            customer_id: _s3store::Column::new("customer", |record| &record.customer_id),
            shard: _s3store::Column::new("shard", |record| &record.shard),
            net_cost: _s3store::Column::new("net_cost", |record| &record.net_cost),
            color: _s3store::Column::new("color", |record| &record.color),
            currency: _s3store::Column::new("currency", |record| &record.currency),
            calculated_at: _s3store::Column::new(
                "calculated_at",
                |record| &record.calculated_at,
            ),
            inserted_at: _s3store::Column::inserted_at(
                "inserted_at",
                |record| &record.inserted_at,
            ),
        };
        type Partitions = CostPartitions;
        ///Returns a builder that selects all partitions. Its methods narrow it:
        ///
        ///- `charge_period(values)` selects by `charge_period`, which is the field `charge_period`. Takes an exact value, `prefix("…")`, or a half-open range if the text of the type sorts like its values.
        ///- `region(values)` selects by `region`, which is the result of `region_of` for `customer_id`. Takes an exact text, `prefix("…")`, or a half-open range of texts.
        ///- `month(values)` selects by `month`, which is the field `calculated_at` in the format `%Y-%m`. Takes an exact time, `prefix("…")`, or a half-open range of times.
        ///- `shard_no(values)` selects by `shard-no`, which is the field `shard` padded to 4 digits. Takes an exact value, `prefix("…")`, or a half-open range if the text of the type sorts like its values.
        fn partitions() -> CostPartitions {
            CostPartitions::all()
        }
        fn description() -> &'static _s3store::Description {
            static DESCRIPTION: ::std::sync::OnceLock<_s3store::Description> = ::std::sync::OnceLock::new();
            DESCRIPTION
                .get_or_init(|| _s3store::Description {
                    record: ::std::borrow::Cow::Borrowed("Cost"),
                    columns: _s3store::call_each(
                        &[
                            || {
                                <String as _s3store::ColumnType<
                                    _s3store::Plain,
                                >>::node("charge_period", &[], ::core::option::Option::None)
                                    .with_role(_s3store::Role::Entity)
                            },
                            || {
                                <String as _s3store::ColumnType<
                                    _s3store::Plain,
                                >>::node(
                                        "customer",
                                        &["client"],
                                        ::core::option::Option::None,
                                    )
                                    .with_role(_s3store::Role::Entity)
                            },
                            || {
                                <u16 as _s3store::ColumnType<
                                    _s3store::Plain,
                                >>::node("shard", &[], ::core::option::Option::None)
                                    .with_role(_s3store::Role::Partition)
                            },
                            || <Decimal as _s3store::ColumnType<
                                _s3store::DecimalOf<18u8, 6i8>,
                            >>::node(
                                "net_cost",
                                &[],
                                ::core::option::Option::Some(|| <Decimal as _s3store::ColumnType<
                                    _s3store::DecimalOf<18u8, 6i8>,
                                >>::single(
                                    <Decimal as _s3store::ColumnDefault>::column_default(),
                                )),
                            ),
                            || <Option<
                                Color,
                            > as _s3store::ColumnType<
                                _s3store::WithOption<Hex>,
                            >>::node("color", &[], ::core::option::Option::None),
                            || <String as _s3store::ColumnType<
                                _s3store::Plain,
                            >>::node(
                                "currency",
                                &[],
                                ::core::option::Option::Some(|| <String as _s3store::ColumnType<
                                    _s3store::Plain,
                                >>::single(
                                    <String as ::core::convert::From<&'static str>>::from("EUR"),
                                )),
                            ),
                            || {
                                <DateTime<
                                    Utc,
                                > as _s3store::ColumnType<
                                    _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
                                >>::node("calculated_at", &[], ::core::option::Option::None)
                                    .with_role(_s3store::Role::Version)
                            },
                            || <Option<
                                DateTime<Utc>,
                            > as _s3store::ColumnType<
                                _s3store::Plain,
                            >>::node("inserted_at", &[], ::core::option::Option::None),
                        ],
                    ),
                    partition: _s3store::Names::of(
                        &["charge_period", "region", "month", "shard-no"],
                    ),
                    rendering: ::std::vec![
                        _s3store::Rendering { columns : _s3store::Names::of(&
                        ["charge_period"]), form : _s3store::RenderingForm::Value,
                        is_stored : < String as _s3store::PartitionValue > ::IS_STORED,
                        }, _s3store::Rendering { columns : _s3store::Names::of(&
                        ["customer"]), form : _s3store::RenderingForm::Function,
                        is_stored : false, }, _s3store::Rendering { columns :
                        _s3store::Names::of(& ["calculated_at"]), form :
                        _s3store::RenderingForm::Format(::std::borrow::Cow::Borrowed("%Y-%m")),
                        is_stored : false, }, _s3store::Rendering { columns :
                        _s3store::Names::of(& ["shard"]), form :
                        _s3store::RenderingForm::Pad(4), is_stored : false, }
                    ],
                    key: ::core::option::Option::Some(_s3store::Key {
                        entity: ::std::vec![0usize, 1usize],
                        version: 6usize,
                    }),
                    inserted_at: ::core::option::Option::Some(7usize),
                    deleted: ::core::option::Option::None,
                })
        }
        fn decode(
            columns: &[_s3store::ArrayRef],
            rows: ::core::ops::Range<::core::primitive::usize>,
            out: &mut ::std::vec::Vec<Self>,
        ) -> ::core::result::Result<(), _s3store::RowError> {
            let column0 = _s3store::open_reader(
                <String as _s3store::ColumnType<_s3store::Plain>>::reader,
                columns,
                0usize,
                "charge_period",
            )?;
            let column1 = _s3store::open_reader(
                <String as _s3store::ColumnType<_s3store::Plain>>::reader,
                columns,
                1usize,
                "customer",
            )?;
            let column2 = _s3store::open_reader(
                <u16 as _s3store::ColumnType<_s3store::Plain>>::reader,
                columns,
                2usize,
                "shard",
            )?;
            let column3 = _s3store::open_reader(
                <Decimal as _s3store::ColumnType<
                    _s3store::DecimalOf<18u8, 6i8>,
                >>::reader,
                columns,
                3usize,
                "net_cost",
            )?;
            let column4 = _s3store::open_reader(
                <Option<
                    Color,
                > as _s3store::ColumnType<_s3store::WithOption<Hex>>>::reader,
                columns,
                4usize,
                "color",
            )?;
            let column5 = _s3store::open_reader(
                <String as _s3store::ColumnType<_s3store::Plain>>::reader,
                columns,
                5usize,
                "currency",
            )?;
            let column6 = _s3store::open_reader(
                <DateTime<
                    Utc,
                > as _s3store::ColumnType<
                    _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
                >>::reader,
                columns,
                6usize,
                "calculated_at",
            )?;
            let column7 = _s3store::open_reader(
                <Option<DateTime<Utc>> as _s3store::ColumnType<_s3store::Plain>>::reader,
                columns,
                7usize,
                "inserted_at",
            )?;
            out.reserve(rows.len());
            for row in rows {
                out.push(Self {
                    charge_period: _s3store::in_row(
                        <String as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::get(&column0, row),
                        "charge_period",
                        row,
                    )?,
                    customer_id: _s3store::in_row(
                        <String as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::get(&column1, row),
                        "customer",
                        row,
                    )?,
                    shard: _s3store::in_row(
                        <u16 as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::get(&column2, row),
                        "shard",
                        row,
                    )?,
                    net_cost: _s3store::in_row(
                        <Decimal as _s3store::ColumnType<
                            _s3store::DecimalOf<18u8, 6i8>,
                        >>::get(&column3, row),
                        "net_cost",
                        row,
                    )?,
                    color: _s3store::in_row(
                        <Option<
                            Color,
                        > as _s3store::ColumnType<
                            _s3store::WithOption<Hex>,
                        >>::get(&column4, row),
                        "color",
                        row,
                    )?,
                    currency: _s3store::in_row(
                        <String as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::get(&column5, row),
                        "currency",
                        row,
                    )?,
                    calculated_at: _s3store::in_row(
                        <DateTime<
                            Utc,
                        > as _s3store::ColumnType<
                            _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
                        >>::get(&column6, row),
                        "calculated_at",
                        row,
                    )?,
                    inserted_at: _s3store::in_row(
                        <Option<
                            DateTime<Utc>,
                        > as _s3store::ColumnType<_s3store::Plain>>::get(&column7, row),
                        "inserted_at",
                        row,
                    )?,
                    cache: <u32 as _s3store::SkippedDefault>::skipped_default(),
                });
            }
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    impl _s3store::RootRecord for Cost {
        fn encode<'a, I>(
            rows: I,
            inserted_at: ::core::primitive::i64,
            only: ::core::option::Option<&_s3store::Key>,
        ) -> ::core::result::Result<
            ::std::vec::Vec<_s3store::ArrayRef>,
            _s3store::RowError,
        >
        where
            I: ::core::iter::ExactSizeIterator<Item = &'a Self> + ::core::clone::Clone,
        {
            let count = rows.len();
            let mut columns = _s3store::encode_columns(
                rows,
                _s3store::collectors(
                    &[
                        || <String as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::collector(
                            "charge_period",
                            |record: &Self| &record.charge_period,
                        ),
                        || <String as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::collector("customer", |record: &Self| &record.customer_id),
                        || <u16 as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::collector("shard", |record: &Self| &record.shard),
                        || <Decimal as _s3store::ColumnType<
                            _s3store::DecimalOf<18u8, 6i8>,
                        >>::collector("net_cost", |record: &Self| &record.net_cost),
                        || <Option<
                            Color,
                        > as _s3store::ColumnType<
                            _s3store::WithOption<Hex>,
                        >>::collector("color", |record: &Self| &record.color),
                        || <String as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::collector("currency", |record: &Self| &record.currency),
                        || <DateTime<
                            Utc,
                        > as _s3store::ColumnType<
                            _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
                        >>::collector(
                            "calculated_at",
                            |record: &Self| &record.calculated_at,
                        ),
                        _s3store::placeholder,
                    ],
                    only,
                ),
            )?;
            columns[7usize] = <Option<
                DateTime<Utc>,
            > as _s3store::InsertionTime<
                _s3store::Plain,
            >>::constant(inserted_at, count, "inserted_at")?;
            ::core::result::Result::Ok(columns)
        }
        fn partition_key(
            &self,
            key: &mut ::std::string::String,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            let reading0 = _s3store::in_column(
                <String as _s3store::ColumnType<
                    _s3store::Plain,
                >>::stored(&self.charge_period),
                "charge_period",
            )?;
            let field0 = reading0.as_ref().unwrap_or(&self.charge_period);
            let reading1 = _s3store::in_column(
                <String as _s3store::ColumnType<
                    _s3store::Plain,
                >>::stored(&self.customer_id),
                "customer",
            )?;
            let field1 = reading1.as_ref().unwrap_or(&self.customer_id);
            let reading2 = _s3store::in_column(
                <DateTime<
                    Utc,
                > as _s3store::ColumnType<
                    _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
                >>::stored(&self.calculated_at),
                "calculated_at",
            )?;
            let field2 = reading2.as_ref().unwrap_or(&self.calculated_at);
            let reading3 = _s3store::in_column(
                <u16 as _s3store::ColumnType<_s3store::Plain>>::stored(&self.shard),
                "shard",
            )?;
            let field3 = reading3.as_ref().unwrap_or(&self.shard);
            key.push_str("charge_period=");
            _s3store::in_partition(
                <String as _s3store::PartitionValue>::render(field0, key),
                "charge_period",
            )?;
            key.push_str("/region=");
            _s3store::in_partition(
                _s3store::PartitionValue::render(&region_of(field1), key),
                "region",
            )?;
            key.push_str("/month=");
            _s3store::in_partition(_s3store::push_time(field2, "%Y-%m", key), "month")?;
            key.push_str("/shard-no=");
            _s3store::in_partition(_s3store::push_padded(field3, 4, key), "shard-no")?;
            ::core::result::Result::Ok(())
        }
        fn views() -> ::std::vec::Vec<_s3store::ViewWriter<Self>> {
            ::std::vec![
                _s3store::ViewWriter:: < Self > ::of:: < SkuPeriod > (),
                _s3store::ViewWriter:: < Self > ::of:: < other::ByCustomer > ()
            ]
        }
    }
    #[allow(non_snake_case, clippy::too_many_arguments, clippy::ptr_arg)]
    fn CostEntityOf(
        value0: &String,
        value1: &String,
    ) -> ::core::result::Result<_s3store::Entity<Cost>, _s3store::ValueError> {
        let mut partition = ::std::string::String::new();
        let key = &mut partition;
        let reading0 = _s3store::in_column(
            <String as _s3store::ColumnType<_s3store::Plain>>::stored(&*value0),
            "charge_period",
        )?;
        let field0 = reading0.as_ref().unwrap_or(&*value0);
        let reading1 = _s3store::in_column(
            <String as _s3store::ColumnType<_s3store::Plain>>::stored(&*value1),
            "customer",
        )?;
        let field1 = reading1.as_ref().unwrap_or(&*value1);
        key.push_str("charge_period=");
        _s3store::in_partition(
            <String as _s3store::PartitionValue>::render(field0, key),
            "charge_period",
        )?;
        key.push_str("/region=");
        _s3store::in_partition(
            _s3store::PartitionValue::render(&region_of(field1), key),
            "region",
        )?;
        key.push_str("/month");
        key.push_str("/shard-no");
        ::core::result::Result::Ok(
            _s3store::Entity::new(
                ::std::vec![
                    _s3store::in_column(< String as _s3store::ColumnType <
                    _s3store::Plain >> ::key_part(value0), "charge_period") ?,
                    _s3store::in_column(< String as _s3store::ColumnType <
                    _s3store::Plain >> ::key_part(value1), "customer") ?
                ],
                partition,
            ),
        )
    }
    #[automatically_derived]
    impl _s3store::Keyed for Cost {
        fn entity(&self) -> _s3store::Result<_s3store::Entity<Self>> {
            CostEntityOf(&self.charge_period, &self.customer_id)
                .map_err(|error| _s3store::key_error::<Self>(&error))
        }
        fn version(&self) -> _s3store::Result<_s3store::Version<Self>> {
            let version = || ::core::result::Result::Ok(
                _s3store::Version::new(
                    _s3store::in_column(
                        <DateTime<
                            Utc,
                        > as _s3store::ColumnType<
                            _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
                        >>::key_part(&self.calculated_at),
                        "calculated_at",
                    )?,
                ),
            );
            version()
                .map_err(|error: _s3store::ValueError| _s3store::key_error::<
                    Self,
                >(&error))
        }
    }
    #[automatically_derived]
    #[allow(
        dead_code,
        private_bounds,
        clippy::too_many_arguments,
        clippy::impl_trait_in_params
    )]
    impl Cost {
        ///Returns the entity of [`Cost`] that has these values, without a record.
        ///
        /// # Errors
        /// A value does not fit its column.
        pub fn entity_of(
            charge_period: impl ::core::convert::Into<String>,
            customer_id: impl ::core::convert::Into<String>,
        ) -> _s3store::Result<_s3store::Entity<Self>> {
            CostEntityOf(
                    &::core::convert::Into::into(charge_period),
                    &::core::convert::Into::into(customer_id),
                )
                .map_err(|error| _s3store::key_error::<Self>(&error))
        }
    }
    #[diagnostic::do_not_recommend]
    impl _s3store::FieldForm<3472692998679028075u64> for CostColumns {
        type Form = _s3store::Encoded<_s3store::Plain>;
    }
    #[diagnostic::do_not_recommend]
    impl _s3store::FieldForm<16485235612702209503u64> for CostColumns {
        type Form = _s3store::Encoded<_s3store::Plain>;
    }
    #[diagnostic::do_not_recommend]
    impl _s3store::FieldForm<7940003687735986699u64> for CostColumns {
        type Form = _s3store::Encoded<_s3store::Plain>;
    }
    #[diagnostic::do_not_recommend]
    impl _s3store::FieldForm<12811192916506632952u64> for CostColumns {
        type Form = _s3store::Encoded<_s3store::DecimalOf<18u8, 6i8>>;
    }
    #[diagnostic::do_not_recommend]
    impl _s3store::FieldForm<8644027876048135736u64> for CostColumns {
        type Form = _s3store::ConvertedOption;
    }
    #[diagnostic::do_not_recommend]
    impl _s3store::FieldForm<8477458519032517654u64> for CostColumns {
        type Form = _s3store::Encoded<_s3store::Plain>;
    }
    #[diagnostic::do_not_recommend]
    impl _s3store::FieldForm<2969831254658208447u64> for CostColumns {
        type Form = _s3store::Encoded<
            _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
        >;
    }
    #[diagnostic::do_not_recommend]
    impl _s3store::FieldForm<16001959912389291863u64> for CostColumns {
        type Form = _s3store::Encoded<_s3store::Plain>;
    }
    #[doc(hidden)]
    pub struct CostRow<'row> {
        charge_period: <<String as _s3store::ColumnType<
            _s3store::Plain,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        customer_id: <<String as _s3store::ColumnType<
            _s3store::Plain,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        shard: <<u16 as _s3store::ColumnType<
            _s3store::Plain,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        net_cost: <<Decimal as _s3store::ColumnType<
            _s3store::DecimalOf<18u8, 6i8>,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        color: <<Option<
            Color,
        > as _s3store::ColumnType<
            _s3store::WithOption<Hex>,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        currency: <<String as _s3store::ColumnType<
            _s3store::Plain,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        calculated_at: <<DateTime<
            Utc,
        > as _s3store::ColumnType<
            _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        inserted_at: <<Option<
            DateTime<Utc>,
        > as _s3store::ColumnType<
            _s3store::Plain,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        __end: (),
    }
    #[automatically_derived]
    impl ::core::clone::Clone for CostRow<'_> {
        fn clone(&self) -> Self {
            Self {
                charge_period: self.charge_period,
                customer_id: self.customer_id,
                shard: self.shard,
                net_cost: self.net_cost,
                color: self.color,
                currency: self.currency,
                calculated_at: self.calculated_at,
                inserted_at: self.inserted_at,
                __end: (),
            }
        }
    }
    #[automatically_derived]
    impl ::core::marker::Copy for CostRow<'_> {}
    #[automatically_derived]
    impl ::core::fmt::Debug for CostRow<'_> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            use _s3store::{ShownAsHidden as _, ShownAsItIs as _};
            _s3store::fmt_row(
                f,
                "Cost",
                &[
                    ("charge_period", (&_s3store::Shown(&self.charge_period)).shown()),
                    ("customer_id", (&_s3store::Shown(&self.customer_id)).shown()),
                    ("shard", (&_s3store::Shown(&self.shard)).shown()),
                    ("net_cost", (&_s3store::Shown(&self.net_cost)).shown()),
                    ("color", (&_s3store::Shown(&self.color)).shown()),
                    ("currency", (&_s3store::Shown(&self.currency)).shown()),
                    ("calculated_at", (&_s3store::Shown(&self.calculated_at)).shown()),
                    ("inserted_at", (&_s3store::Shown(&self.inserted_at)).shown()),
                ],
            )
        }
    }
    #[doc(hidden)]
    pub struct CostHeld(
        <String as _s3store::ColumnType<_s3store::Plain>>::InRows,
        <String as _s3store::ColumnType<_s3store::Plain>>::InRows,
        <u16 as _s3store::ColumnType<_s3store::Plain>>::InRows,
        <Decimal as _s3store::ColumnType<_s3store::DecimalOf<18u8, 6i8>>>::InRows,
        <Option<Color> as _s3store::ColumnType<_s3store::WithOption<Hex>>>::InRows,
        <String as _s3store::ColumnType<_s3store::Plain>>::InRows,
        <DateTime<
            Utc,
        > as _s3store::ColumnType<
            _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
        >>::InRows,
        <Option<DateTime<Utc>> as _s3store::ColumnType<_s3store::Plain>>::InRows,
        (),
    );
    #[automatically_derived]
    impl _s3store::RowStruct for Cost {
        type Held = CostHeld;
        type Row<'row> = CostRow<'row>;
        fn hold(
            arrays: &[_s3store::ArrayRef],
            rows: &_s3store::Reachable,
        ) -> ::core::result::Result<CostHeld, _s3store::ValueError> {
            ::core::result::Result::Ok(CostHeld {
                0: _s3store::hold_column(
                    <String as _s3store::ColumnType<_s3store::Plain>>::hold,
                    arrays,
                    0usize,
                    rows,
                )?,
                1: _s3store::hold_column(
                    <String as _s3store::ColumnType<_s3store::Plain>>::hold,
                    arrays,
                    1usize,
                    rows,
                )?,
                2: _s3store::hold_column(
                    <u16 as _s3store::ColumnType<_s3store::Plain>>::hold,
                    arrays,
                    2usize,
                    rows,
                )?,
                3: _s3store::hold_column(
                    <Decimal as _s3store::ColumnType<
                        _s3store::DecimalOf<18u8, 6i8>,
                    >>::hold,
                    arrays,
                    3usize,
                    rows,
                )?,
                4: _s3store::hold_column(
                    <Option<
                        Color,
                    > as _s3store::ColumnType<_s3store::WithOption<Hex>>>::hold,
                    arrays,
                    4usize,
                    rows,
                )?,
                5: _s3store::hold_column(
                    <String as _s3store::ColumnType<_s3store::Plain>>::hold,
                    arrays,
                    5usize,
                    rows,
                )?,
                6: _s3store::hold_column(
                    <DateTime<
                        Utc,
                    > as _s3store::ColumnType<
                        _s3store::Timestamp<_s3store::Milli, _s3store::Exact>,
                    >>::hold,
                    arrays,
                    6usize,
                    rows,
                )?,
                7: _s3store::hold_column(
                    <Option<
                        DateTime<Utc>,
                    > as _s3store::ColumnType<_s3store::Plain>>::hold,
                    arrays,
                    7usize,
                    rows,
                )?,
                8: (),
            })
        }
        #[inline]
        fn row(
            columns: &CostHeld,
            row: ::core::primitive::usize,
        ) -> ::core::option::Option<CostRow<'_>> {
            ::core::option::Option::Some(CostRow {
                charge_period: _s3store::RowColumn::get(&columns.0, row)?,
                customer_id: _s3store::RowColumn::get(&columns.1, row)?,
                shard: _s3store::RowColumn::get(&columns.2, row)?,
                net_cost: _s3store::RowColumn::get(&columns.3, row)?,
                color: _s3store::RowColumn::get(&columns.4, row)?,
                currency: _s3store::RowColumn::get(&columns.5, row)?,
                calculated_at: _s3store::RowColumn::get(&columns.6, row)?,
                inserted_at: _s3store::RowColumn::get(&columns.7, row)?,
                __end: (),
            })
        }
    }
};
#[allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    unreachable_pub,
    private_interfaces
)]
#[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
const _: () = {
    use ::s3store::__private as _s3store;
    #[doc(hidden)]
    pub struct NarrowRow<'row> {
        currency: <<String as _s3store::InForm<
            <<Narrow as _s3store::Record>::Columns as _s3store::FieldForm<
                8477458519032517654u64,
            >>::Form,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        __end: (),
    }
    #[automatically_derived]
    impl ::core::clone::Clone for NarrowRow<'_> {
        fn clone(&self) -> Self {
            Self {
                currency: self.currency,
                __end: (),
            }
        }
    }
    #[automatically_derived]
    impl ::core::marker::Copy for NarrowRow<'_> {}
    #[automatically_derived]
    impl ::core::fmt::Debug for NarrowRow<'_> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            use _s3store::{ShownAsHidden as _, ShownAsItIs as _};
            _s3store::fmt_row(
                f,
                "Narrow",
                &[("currency", (&_s3store::Shown(&self.currency)).shown())],
            )
        }
    }
    #[doc(hidden)]
    pub struct NarrowHeld(
        <String as _s3store::InForm<
            <<Narrow as _s3store::Record>::Columns as _s3store::FieldForm<
                8477458519032517654u64,
            >>::Form,
        >>::InRows,
        (),
    );
    #[automatically_derived]
    impl _s3store::RowStruct for Narrow {
        type Held = NarrowHeld;
        type Row<'row> = NarrowRow<'row>;
        fn hold(
            arrays: &[_s3store::ArrayRef],
            rows: &_s3store::Reachable,
        ) -> ::core::result::Result<NarrowHeld, _s3store::ValueError> {
            ::core::result::Result::Ok(NarrowHeld {
                0: _s3store::Column::hold_as::<
                    String,
                >(&<Cost as _s3store::Record>::COLUMNS.currency, arrays, 0usize, rows)?,
                1: (),
            })
        }
        #[inline]
        fn row(
            columns: &NarrowHeld,
            row: ::core::primitive::usize,
        ) -> ::core::option::Option<NarrowRow<'_>> {
            ::core::option::Option::Some(NarrowRow {
                currency: _s3store::RowColumn::get(&columns.0, row)?,
                __end: (),
            })
        }
    }
    fn fields_are_used(projection: &Narrow) {
        let _ = (&projection.currency,);
    }
    #[automatically_derived]
    impl _s3store::Record for Narrow {
        type Root = Cost;
        type Columns = <Cost as _s3store::Record>::Columns;
        const COLUMNS: Self::Columns = <Cost as _s3store::Record>::COLUMNS;
        type Partitions = <Cost as _s3store::Record>::Partitions;
        fn partitions() -> Self::Partitions {
            <Cost as _s3store::Record>::partitions()
        }
        fn description() -> &'static _s3store::Description {
            static DESCRIPTION: ::std::sync::OnceLock<_s3store::Description> = ::std::sync::OnceLock::new();
            DESCRIPTION
                .get_or_init(|| {
                    let root = <Cost as _s3store::Record>::description();
                    root.projection(
                        "Narrow",
                        &[<Cost as _s3store::Record>::COLUMNS.currency.name()],
                    )
                })
        }
        fn decode(
            columns: &[_s3store::ArrayRef],
            rows: ::core::ops::Range<::core::primitive::usize>,
            out: &mut ::std::vec::Vec<Self>,
        ) -> ::core::result::Result<(), _s3store::RowError> {
            let column0 = <Cost as _s3store::Record>::COLUMNS
                .currency
                .reader_as::<String>(columns, 0usize)?;
            out.reserve(rows.len());
            for row in rows {
                out.push(Self {
                    currency: column0.read(row)?,
                    rank: 1,
                });
            }
            ::core::result::Result::Ok(())
        }
    }
};
#[allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    unreachable_pub,
    private_interfaces
)]
#[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
const _: () = {
    use ::s3store::__private as _s3store;
    ///A pattern for tuples of [`SkuPeriod`]. Each method narrows it.
    #[derive(::core::clone::Clone, ::core::fmt::Debug)]
    pub struct SkuPeriodPatterns(_s3store::PatternBuilder);
    impl SkuPeriodPatterns {
        fn all() -> Self {
            Self(
                _s3store::PatternBuilder::new(&["charge_period", "month", "cost-bucket"]),
            )
        }
        ///Selects by `charge_period`, which is the field `charge_period`.
        ///
        ///Takes an exact value, `prefix("…")`, or a half-open range if the text of the type sorts like its values.
        #[must_use]
        pub fn charge_period(
            self,
            values: impl _s3store::IntoSelection<
                <<String as _s3store::ViewColumn>::Kind as _s3store::SelectionKind<
                    SkuPeriodColumn0,
                    String,
                >>::Kind,
                String,
            >,
        ) -> Self {
            Self(self.0.with("charge_period", values))
        }
        ///Selects by `month`, which is the field `calculated_at` in the format `%Y-%m`.
        ///
        ///Takes an exact time, `prefix("…")`, or a half-open range of times.
        #[must_use]
        pub fn month(
            self,
            values: impl _s3store::IntoSelection<
                <NaiveDate as _s3store::Formatted>::Kind<SkuPeriodPart1>,
                NaiveDate,
            >,
        ) -> Self {
            Self(self.0.with("month", values))
        }
        ///Selects by `cost-bucket`, which is the result of `bucket_of` for `net_cost` and `charge_period`.
        ///
        ///Takes an exact value, `prefix("…")`, or a half-open range if the text of the type sorts like its values.
        #[must_use]
        pub fn cost_bucket(
            self,
            values: impl _s3store::IntoSelection<
                <Bucket as _s3store::ViewColumn>::Kind,
                Bucket,
            >,
        ) -> Self {
            Self(self.0.with("cost-bucket", values))
        }
    }
    impl _s3store::Sealed for SkuPeriodPatterns {}
    #[automatically_derived]
    impl _s3store::IntoPatterns for SkuPeriodPatterns {
        fn into_patterns(
            self,
            names: &[&::core::primitive::str],
        ) -> _s3store::Result<::std::vec::Vec<_s3store::Pattern>> {
            self.0.into_patterns(names)
        }
    }
    #[doc(hidden)]
    pub enum SkuPeriodColumn0 {}
    #[automatically_derived]
    impl _s3store::StoredColumn<String> for SkuPeriodColumn0 {
        fn stored(
            value: &String,
        ) -> ::core::result::Result<
            ::core::option::Option<String>,
            _s3store::ValueError,
        > {
            let column: &_s3store::Column<_, String, _> = &<Cost as _s3store::Record>::COLUMNS
                .charge_period;
            column.stored_value(value)
        }
    }
    #[doc(hidden)]
    pub enum SkuPeriodPart1 {}
    #[automatically_derived]
    impl _s3store::PartitionFormat for SkuPeriodPart1 {
        type Value = NaiveDate;
        fn render(value: &NaiveDate) -> _s3store::Result<::std::string::String> {
            ::core::result::Result::Ok(
                <NaiveDate as _s3store::Formatted>::text_in(
                    value,
                    &<Cost as _s3store::Record>::COLUMNS.calculated_at,
                    "%Y-%m",
                )?,
            )
        }
    }
    impl _s3store::Ordered for SkuPeriodPart1 {}
    const _: () = ::core::assert!(
        ! < Cost as _s3store::Record > ::COLUMNS.charge_period.is_set_by_write(),
        "a view cannot read the insertion time, which the write sets"
    );
    const _: () = ::core::assert!(
        ! < Cost as _s3store::Record > ::COLUMNS.calculated_at.is_set_by_write(),
        "a view cannot read the insertion time, which the write sets"
    );
    const _: () = ::core::assert!(
        ! < Cost as _s3store::Record > ::COLUMNS.net_cost.is_set_by_write(),
        "a view cannot read the insertion time, which the write sets"
    );
    const _: fn(&SkuPeriod) = |view| {
        let _ = (&view.charge_period, &view.month, &view.bucket);
    };
    #[automatically_derived]
    impl _s3store::View for SkuPeriod {
        type Record = <Cost as _s3store::Record>::Root;
        type Patterns = SkuPeriodPatterns;
        const NAME: &'static ::core::primitive::str = "sku_period";
        const COLUMNS: &'static [&'static ::core::primitive::str] = &[
            "charge_period",
            "month",
            "cost-bucket",
        ];
        ///Returns a builder that selects all tuples. Its methods narrow it:
        ///
        ///- `charge_period(values)` selects by `charge_period`, which is the field `charge_period`. Takes an exact value, `prefix("…")`, or a half-open range if the text of the type sorts like its values.
        ///- `month(values)` selects by `month`, which is the field `calculated_at` in the format `%Y-%m`. Takes an exact time, `prefix("…")`, or a half-open range of times.
        ///- `cost_bucket(values)` selects by `cost-bucket`, which is the result of `bucket_of` for `net_cost` and `charge_period`. Takes an exact value, `prefix("…")`, or a half-open range if the text of the type sorts like its values.
        fn patterns() -> SkuPeriodPatterns {
            SkuPeriodPatterns::all()
        }
        fn source_columns() -> ::std::vec::Vec<&'static ::core::primitive::str> {
            let _ = <Cost as _s3store::RootRecord>::views;
            ::std::vec![
                < Cost as _s3store::Record > ::COLUMNS.charge_period.name(), < Cost as
                _s3store::Record > ::COLUMNS.calculated_at.name(), < Cost as
                _s3store::Record > ::COLUMNS.net_cost.name()
            ]
        }
        fn tuple(
            record: &Self::Record,
            tuple: &mut _s3store::Tuple,
        ) -> ::core::result::Result<::core::primitive::bool, _s3store::ValueError> {
            let column0: &_s3store::Column<_, String, _> = &<Cost as _s3store::Record>::COLUMNS
                .charge_period;
            let column1 = &<Cost as _s3store::Record>::COLUMNS.calculated_at;
            let column2 = &<Cost as _s3store::Record>::COLUMNS.net_cost;
            let reading0 = column0.stored(record)?;
            let reading1 = column1.stored(record)?;
            let reading2 = column2.stored(record)?;
            let field0 = reading0.as_ref().unwrap_or(column0.of(record));
            let field1 = reading1.as_ref().unwrap_or(column1.of(record));
            let field2 = reading2.as_ref().unwrap_or(column2.of(record));
            let value2 = _s3store::in_column(
                _s3store::ViewResult::<Bucket>::into_value(bucket_of(field2, field0)),
                "cost-bucket",
            )?;
            let ::core::option::Option::Some(value2) = value2 else {
                return ::core::result::Result::Ok(false);
            };
            tuple.clear();
            tuple
                .push(
                    "charge_period",
                    |text| <String as _s3store::ViewColumn>::push(field0, text),
                )?;
            tuple
                .push(
                    "month",
                    |text| _s3store::push_parts::<
                        _s3store::DateParts,
                        _,
                    >(field1, "%Y-%m", text),
                )?;
            tuple
                .push(
                    "cost-bucket",
                    |text| <Bucket as _s3store::ViewColumn>::push(&value2, text),
                )?;
            ::core::result::Result::Ok(true)
        }
        fn tuples(
            columns: &[_s3store::ArrayRef],
            rows: ::core::ops::Range<::core::primitive::usize>,
            take: &mut dyn ::core::ops::FnMut(&_s3store::Tuple),
        ) -> ::core::result::Result<(), _s3store::RowError> {
            let column0: &_s3store::Column<_, String, _> = &<Cost as _s3store::Record>::COLUMNS
                .charge_period;
            let column1 = &<Cost as _s3store::Record>::COLUMNS.calculated_at;
            let column2 = &<Cost as _s3store::Record>::COLUMNS.net_cost;
            let reading0 = column0.reader(columns, 0usize)?;
            let reading1 = column1.reader(columns, 1usize)?;
            let reading2 = column2.reader(columns, 2usize)?;
            let mut made = <_s3store::Tuple as ::core::default::Default>::default();
            for row in rows {
                let field0 = &reading0.read(row)?;
                let field1 = &reading1.read(row)?;
                let field2 = &reading2.read(row)?;
                let tuple = &mut made;
                let has = _s3store::outlined(|| -> ::core::result::Result<
                    ::core::primitive::bool,
                    _s3store::ValueError,
                > {
                    let value2 = _s3store::in_column(
                        _s3store::ViewResult::<
                            Bucket,
                        >::into_value(bucket_of(field2, field0)),
                        "cost-bucket",
                    )?;
                    let ::core::option::Option::Some(value2) = value2 else {
                        return ::core::result::Result::Ok(false);
                    };
                    tuple.clear();
                    tuple
                        .push(
                            "charge_period",
                            |text| <String as _s3store::ViewColumn>::push(field0, text),
                        )?;
                    tuple
                        .push(
                            "month",
                            |text| _s3store::push_parts::<
                                _s3store::DateParts,
                                _,
                            >(field1, "%Y-%m", text),
                        )?;
                    tuple
                        .push(
                            "cost-bucket",
                            |text| <Bucket as _s3store::ViewColumn>::push(&value2, text),
                        )?;
                    ::core::result::Result::Ok(true)
                });
                if has.map_err(|error| error.at_row(row))? {
                    take(&made);
                }
            }
            ::core::result::Result::Ok(())
        }
        fn from_tuple(
            values: &[&::core::primitive::str],
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            let [value0, value1, value2] = _s3store::tuple_values(values)?;
            ::core::result::Result::Ok(Self {
                charge_period: _s3store::in_column(
                    <String as _s3store::ViewColumn>::parse(value0),
                    "charge_period",
                )?,
                month: _s3store::in_column(
                    <NaiveDate as _s3store::Formatted>::parse_in(value1, "%Y-%m"),
                    "month",
                )?,
                bucket: _s3store::in_column(
                    <Bucket as _s3store::ViewColumn>::parse(value2),
                    "cost-bucket",
                )?,
            })
        }
    }
};
#[allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    unreachable_pub,
    private_interfaces
)]
#[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
const _: () = {
    use ::s3store::__private as _s3store;
    #[doc(hidden)]
    pub struct AddressRow<'row> {
        street: <<String as _s3store::ColumnType<
            _s3store::Plain,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        zip: <<Option<
            u32,
        > as _s3store::ColumnType<
            _s3store::Plain,
        >>::InRows as _s3store::RowColumn>::Value<'row>,
        __end: (),
    }
    #[automatically_derived]
    impl ::core::clone::Clone for AddressRow<'_> {
        fn clone(&self) -> Self {
            Self {
                street: self.street,
                zip: self.zip,
                __end: (),
            }
        }
    }
    #[automatically_derived]
    impl ::core::marker::Copy for AddressRow<'_> {}
    #[automatically_derived]
    impl ::core::fmt::Debug for AddressRow<'_> {
        fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
            use _s3store::{ShownAsHidden as _, ShownAsItIs as _};
            _s3store::fmt_row(
                f,
                "Address",
                &[
                    ("street", (&_s3store::Shown(&self.street)).shown()),
                    ("zip", (&_s3store::Shown(&self.zip)).shown()),
                ],
            )
        }
    }
    #[doc(hidden)]
    pub struct AddressHeld(
        <String as _s3store::ColumnType<_s3store::Plain>>::InRows,
        <Option<u32> as _s3store::ColumnType<_s3store::Plain>>::InRows,
        (),
    );
    #[automatically_derived]
    impl _s3store::RowStruct for Address {
        type Held = AddressHeld;
        type Row<'row> = AddressRow<'row>;
        fn hold(
            arrays: &[_s3store::ArrayRef],
            rows: &_s3store::Reachable,
        ) -> ::core::result::Result<AddressHeld, _s3store::ValueError> {
            ::core::result::Result::Ok(AddressHeld {
                0: _s3store::hold_column(
                    <String as _s3store::ColumnType<_s3store::Plain>>::hold,
                    arrays,
                    0usize,
                    rows,
                )?,
                1: _s3store::hold_column(
                    <Option<u32> as _s3store::ColumnType<_s3store::Plain>>::hold,
                    arrays,
                    1usize,
                    rows,
                )?,
                2: (),
            })
        }
        #[inline]
        fn row(
            columns: &AddressHeld,
            row: ::core::primitive::usize,
        ) -> ::core::option::Option<AddressRow<'_>> {
            ::core::option::Option::Some(AddressRow {
                street: _s3store::RowColumn::get(&columns.0, row)?,
                zip: _s3store::RowColumn::get(&columns.1, row)?,
                __end: (),
            })
        }
    }
    /// The sizes, builders or readers of the fields, and the one of the struct itself.
    #[doc(hidden)]
    #[derive(::core::default::Default)]
    pub struct AddressChildren<P, T0, T1> {
        parent: P,
        child0: T0,
        child1: T1,
    }
    #[automatically_derived]
    impl _s3store::ColumnType for Address {
        type Size = AddressChildren<
            (),
            <String as _s3store::ColumnType<_s3store::Plain>>::Size,
            <Option<u32> as _s3store::ColumnType<_s3store::Plain>>::Size,
        >;
        type Builder = AddressChildren<
            _s3store::Validity,
            <String as _s3store::ColumnType<_s3store::Plain>>::Builder,
            <Option<u32> as _s3store::ColumnType<_s3store::Plain>>::Builder,
        >;
        type Reader = AddressChildren<
            _s3store::StructReader,
            <String as _s3store::ColumnType<_s3store::Plain>>::Reader,
            <Option<u32> as _s3store::ColumnType<_s3store::Plain>>::Reader,
        >;
        type InVec = _s3store::AsList;
        type InRows = _s3store::StructRows<Self>;
        type Order = _s3store::Unordered;
        const LOSSY: ::core::primitive::bool = false
            || <String as _s3store::ColumnType<_s3store::Plain>>::LOSSY
            || <Option<u32> as _s3store::ColumnType<_s3store::Plain>>::LOSSY;
        fn shape() -> _s3store::Shape {
            _s3store::Shape::Struct(
                _s3store::call_each(
                    &[
                        || <String as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::node("street", &[], ::core::option::Option::None),
                        || <Option<
                            u32,
                        > as _s3store::ColumnType<
                            _s3store::Plain,
                        >>::node("zip", &["postcode"], ::core::option::Option::None),
                    ],
                ),
            )
        }
        fn measure(value: &Self, size: &mut Self::Size) {
            <String as _s3store::ColumnType<
                _s3store::Plain,
            >>::measure(&value.street, &mut size.child0);
            <Option<
                u32,
            > as _s3store::ColumnType<
                _s3store::Plain,
            >>::measure(&value.zip, &mut size.child1);
        }
        fn builder(rows: ::core::primitive::usize, size: &Self::Size) -> Self::Builder {
            AddressChildren {
                parent: _s3store::Validity::new(rows),
                child0: <String as _s3store::ColumnType<
                    _s3store::Plain,
                >>::builder(rows, &size.child0),
                child1: <Option<
                    u32,
                > as _s3store::ColumnType<_s3store::Plain>>::builder(rows, &size.child1),
            }
        }
        fn push(
            value: &Self,
            builder: &mut Self::Builder,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            builder.parent.append_non_null();
            _s3store::in_column(
                <String as _s3store::ColumnType<
                    _s3store::Plain,
                >>::push(&value.street, &mut builder.child0),
                "street",
            )?;
            _s3store::in_column(
                <Option<
                    u32,
                > as _s3store::ColumnType<
                    _s3store::Plain,
                >>::push(&value.zip, &mut builder.child1),
                "zip",
            )?;
            ::core::result::Result::Ok(())
        }
        fn push_null(builder: &mut Self::Builder) {
            builder.parent.append_null();
            <String as _s3store::ColumnType<
                _s3store::Plain,
            >>::push_null(&mut builder.child0);
            <Option<
                u32,
            > as _s3store::ColumnType<_s3store::Plain>>::push_null(&mut builder.child1);
        }
        fn finish(
            builder: Self::Builder,
        ) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
            let children = ::std::vec![
                _s3store::in_column(< String as _s3store::ColumnType < _s3store::Plain >>
                ::finish(builder.child0), "street") ?, _s3store::in_column(< Option < u32
                > as _s3store::ColumnType < _s3store::Plain >> ::finish(builder.child1),
                "zip") ?,
            ];
            _s3store::struct_array(
                <Self as _s3store::ColumnType>::shape(),
                children,
                builder.parent,
            )
        }
        fn reader(
            array: &_s3store::ArrayRef,
        ) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
            let parent = _s3store::StructReader::new(array)?;
            ::core::result::Result::Ok(AddressChildren {
                child0: _s3store::in_column(
                    <String as _s3store::ColumnType<
                        _s3store::Plain,
                    >>::reader(parent.child(0usize)?),
                    "street",
                )?,
                child1: _s3store::in_column(
                    <Option<
                        u32,
                    > as _s3store::ColumnType<
                        _s3store::Plain,
                    >>::reader(parent.child(1usize)?),
                    "zip",
                )?,
                parent,
            })
        }
        fn is_null(
            reader: &Self::Reader,
            row: ::core::primitive::usize,
        ) -> ::core::primitive::bool {
            reader.parent.is_null(row)
        }
        fn get(
            reader: &Self::Reader,
            row: ::core::primitive::usize,
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            reader.parent.not_null(row)?;
            ::core::result::Result::Ok(Self {
                street: _s3store::in_column(
                    <String as _s3store::ColumnType<
                        _s3store::Plain,
                    >>::get(&reader.child0, row),
                    "street",
                )?,
                zip: _s3store::in_column(
                    <Option<
                        u32,
                    > as _s3store::ColumnType<
                        _s3store::Plain,
                    >>::get(&reader.child1, row),
                    "zip",
                )?,
            })
        }
        fn hold(
            array: &_s3store::ArrayRef,
            rows: &_s3store::Reachable,
        ) -> ::core::result::Result<Self::InRows, _s3store::ValueError> {
            _s3store::StructRows::hold(array, rows)
        }
    }
};
#[allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    unreachable_pub,
    private_interfaces
)]
#[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
const _: () = {
    use ::s3store::__private as _s3store;
    #[automatically_derived]
    impl _s3store::ColumnType for Sku {
        type Size = <String as _s3store::ColumnType<_s3store::Plain>>::Size;
        type Builder = <String as _s3store::ColumnType<_s3store::Plain>>::Builder;
        type Reader = <String as _s3store::ColumnType<_s3store::Plain>>::Reader;
        type InVec = _s3store::AsList;
        type InRows = _s3store::OwnedRows<Self>;
        type Order = <String as _s3store::ColumnType<_s3store::Plain>>::Order;
        const NULLABLE: ::core::primitive::bool = <String as _s3store::ColumnType<
            _s3store::Plain,
        >>::NULLABLE;
        fn shape() -> _s3store::Shape {
            <String as _s3store::ColumnType<_s3store::Plain>>::shape()
        }
        fn values() -> ::std::vec::Vec<::std::string::String> {
            <String as _s3store::ColumnType<_s3store::Plain>>::values()
        }
        fn measure(value: &Self, size: &mut Self::Size) {
            <String as _s3store::ColumnType<_s3store::Plain>>::measure(&value.0, size);
        }
        fn builder(rows: ::core::primitive::usize, size: &Self::Size) -> Self::Builder {
            <String as _s3store::ColumnType<_s3store::Plain>>::builder(rows, size)
        }
        fn push(
            value: &Self,
            builder: &mut Self::Builder,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            <String as _s3store::ColumnType<_s3store::Plain>>::push(&value.0, builder)
        }
        const LOSSY: ::core::primitive::bool = <String as _s3store::ColumnType<
            _s3store::Plain,
        >>::LOSSY;
        fn stored(
            value: &Self,
        ) -> ::core::result::Result<::core::option::Option<Self>, _s3store::ValueError> {
            ::core::result::Result::Ok(
                <String as _s3store::ColumnType<_s3store::Plain>>::stored(&value.0)?
                    .map(Self),
            )
        }
        fn key_part(
            value: &Self,
        ) -> ::core::result::Result<_s3store::KeyPart, _s3store::ValueError> {
            <String as _s3store::ColumnType<_s3store::Plain>>::key_part(&value.0)
        }
        fn equal_parts(
            value: &Self,
        ) -> ::core::result::Result<
            ::std::vec::Vec<_s3store::KeyPart>,
            _s3store::ValueError,
        > {
            <String as _s3store::ColumnType<_s3store::Plain>>::equal_parts(&value.0)
        }
        fn push_null(builder: &mut Self::Builder) {
            <String as _s3store::ColumnType<_s3store::Plain>>::push_null(builder);
        }
        fn finish(
            builder: Self::Builder,
        ) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
            <String as _s3store::ColumnType<_s3store::Plain>>::finish(builder)
        }
        fn reader(
            array: &_s3store::ArrayRef,
        ) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
            <String as _s3store::ColumnType<_s3store::Plain>>::reader(array)
        }
        fn is_null(
            reader: &Self::Reader,
            row: ::core::primitive::usize,
        ) -> ::core::primitive::bool {
            <String as _s3store::ColumnType<_s3store::Plain>>::is_null(reader, row)
        }
        fn get(
            reader: &Self::Reader,
            row: ::core::primitive::usize,
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            <String as _s3store::ColumnType<_s3store::Plain>>::get(reader, row).map(Self)
        }
        fn hold(
            array: &_s3store::ArrayRef,
            rows: &_s3store::Reachable,
        ) -> ::core::result::Result<Self::InRows, _s3store::ValueError> {
            _s3store::OwnedRows::hold::<_s3store::Plain>(array, rows)
        }
    }
    #[automatically_derived]
    impl _s3store::PartitionValue for Sku
    where
        for<'a> String: _s3store::PartitionValue,
    {
        type Kind = _s3store::AsValue<Self>;
        const IS_STORED: ::core::primitive::bool = <String as _s3store::PartitionValue>::IS_STORED;
        fn render(
            &self,
            key: &mut ::std::string::String,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            <String as _s3store::PartitionValue>::render(&self.0, key)
        }
    }
    #[automatically_derived]
    impl _s3store::OrderedValue for Sku
    where
        for<'a> String: _s3store::OrderedValue,
    {}
    #[automatically_derived]
    impl _s3store::Discrete for Sku
    where
        for<'a> String: _s3store::Discrete,
        for<'a> Self: ::core::cmp::PartialOrd,
    {
        fn before(&self) -> ::core::option::Option<Self> {
            <String as _s3store::Discrete>::before(&self.0).map(Self)
        }
    }
    #[automatically_derived]
    impl _s3store::ViewValue for Sku
    where
        for<'a> String: _s3store::ViewValue,
    {
        fn parse(
            text: &::core::primitive::str,
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            <String as _s3store::ViewValue>::parse(text).map(Self)
        }
    }
};
#[allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    unreachable_pub,
    private_interfaces
)]
#[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
const _: () = {
    use ::s3store::__private as _s3store;
    #[automatically_derived]
    impl _s3store::EnumText for Currency {
        const NAME: &'static ::core::primitive::str = "Currency";
        const VALUES: &'static [&'static ::core::primitive::str] = &["EUR", "USD"];
        fn text(&self) -> ::core::option::Option<&::core::primitive::str> {
            match self {
                Self::Eur => ::core::option::Option::Some("EUR"),
                Self::Usd => ::core::option::Option::Some("USD"),
            }
        }
        fn of(text: &::core::primitive::str) -> ::core::option::Option<Self> {
            ::core::option::Option::Some(
                match text {
                    "EUR" => Self::Eur,
                    "USD" | "dollar" => Self::Usd,
                    _ => return ::core::option::Option::None,
                },
            )
        }
    }
    #[automatically_derived]
    impl _s3store::ColumnType for Currency {
        type Size = ::core::primitive::usize;
        type Builder = _s3store::EnumBuilder;
        type Reader = _s3store::EnumReader;
        type InVec = _s3store::AsList;
        type InRows = _s3store::OwnedRows<Self>;
        type Order = _s3store::Total;
        fn shape() -> _s3store::Shape {
            _s3store::EnumBuilder::shape()
        }
        fn values() -> ::std::vec::Vec<::std::string::String> {
            _s3store::texts(&["EUR", "USD"])
        }
        fn measure(value: &Self, size: &mut ::core::primitive::usize) {
            *size
                += _s3store::EnumText::text(value)
                    .map_or(0, ::core::primitive::str::len);
        }
        fn builder(
            rows: ::core::primitive::usize,
            size: &::core::primitive::usize,
        ) -> _s3store::EnumBuilder {
            _s3store::EnumBuilder::new(rows, *size)
        }
        fn push(
            value: &Self,
            builder: &mut Self::Builder,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            builder.push(value)
        }
        fn equal_parts(
            value: &Self,
        ) -> ::core::result::Result<
            ::std::vec::Vec<_s3store::KeyPart>,
            _s3store::ValueError,
        > {
            _s3store::enum_parts(value, &[&["USD", "dollar"]])
        }
        fn push_null(builder: &mut Self::Builder) {
            builder.push_null();
        }
        fn finish(
            builder: Self::Builder,
        ) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
            builder.finish()
        }
        fn reader(
            array: &_s3store::ArrayRef,
        ) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
            _s3store::EnumReader::new(array)
        }
        fn is_null(
            reader: &Self::Reader,
            row: ::core::primitive::usize,
        ) -> ::core::primitive::bool {
            reader.is_null(row)
        }
        fn get(
            reader: &Self::Reader,
            row: ::core::primitive::usize,
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            reader.value(row)
        }
        fn hold(
            array: &_s3store::ArrayRef,
            rows: &_s3store::Reachable,
        ) -> ::core::result::Result<Self::InRows, _s3store::ValueError> {
            _s3store::OwnedRows::hold::<_s3store::Plain>(array, rows)
        }
    }
    #[automatically_derived]
    impl _s3store::PartitionValue for Currency {
        type Kind = _s3store::AsValue<Self>;
        const IS_STORED: ::core::primitive::bool = true;
        fn render(
            &self,
            key: &mut ::std::string::String,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            key.push_str(_s3store::enum_text(self)?);
            ::core::result::Result::Ok(())
        }
    }
    #[automatically_derived]
    impl _s3store::ViewValue for Currency {
        fn parse(
            text: &::core::primitive::str,
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            _s3store::parse_enum(text)
        }
    }
};
#[allow(
    dead_code,
    non_camel_case_types,
    non_snake_case,
    unreachable_pub,
    private_interfaces
)]
#[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
const _: () = {
    use ::s3store::__private as _s3store;
    #[automatically_derived]
    impl _s3store::EnumInteger for State {
        const NAME: &'static ::core::primitive::str = "State";
        type Integer = ::core::primitive::u8;
        const INTEGER: &'static ::core::primitive::str = "u8";
        fn integer(&self) -> ::core::option::Option<::core::primitive::u8> {
            match self {
                Self::Open => ::core::option::Option::Some(1),
                Self::Closed => ::core::option::Option::Some(2),
            }
        }
        fn of(integer: ::core::primitive::u8) -> ::core::option::Option<Self> {
            if integer == 1 {
                return ::core::option::Option::Some(Self::Open);
            }
            if integer == 2 {
                return ::core::option::Option::Some(Self::Closed);
            }
            ::core::option::Option::None
        }
    }
    #[automatically_derived]
    impl _s3store::ColumnType for State {
        type Size = <::core::primitive::u8 as _s3store::ColumnType>::Size;
        type Builder = <::core::primitive::u8 as _s3store::ColumnType>::Builder;
        type Reader = <::core::primitive::u8 as _s3store::ColumnType>::Reader;
        type InVec = _s3store::AsList;
        type InRows = _s3store::OwnedRows<Self>;
        type Order = <::core::primitive::u8 as _s3store::ColumnType>::Order;
        const NULLABLE: ::core::primitive::bool = <::core::primitive::u8 as _s3store::ColumnType>::NULLABLE;
        fn shape() -> _s3store::Shape {
            <::core::primitive::u8 as _s3store::ColumnType>::shape()
        }
        fn values() -> ::std::vec::Vec<::std::string::String> {
            _s3store::texts(&[1, 2])
        }
        fn measure(value: &Self, size: &mut Self::Size) {
            <::core::primitive::u8 as _s3store::ColumnType>::measure(
                &::core::default::Default::default(),
                size,
            );
        }
        fn builder(rows: ::core::primitive::usize, size: &Self::Size) -> Self::Builder {
            <::core::primitive::u8 as _s3store::ColumnType>::builder(rows, size)
        }
        fn push(
            value: &Self,
            builder: &mut Self::Builder,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            <::core::primitive::u8 as _s3store::ColumnType>::push(
                &_s3store::enum_integer(value)?,
                builder,
            )
        }
        fn key_part(
            value: &Self,
        ) -> ::core::result::Result<_s3store::KeyPart, _s3store::ValueError> {
            <::core::primitive::u8 as _s3store::ColumnType>::key_part(
                &_s3store::enum_integer(value)?,
            )
        }
        fn equal_parts(
            value: &Self,
        ) -> ::core::result::Result<
            ::std::vec::Vec<_s3store::KeyPart>,
            _s3store::ValueError,
        > {
            <::core::primitive::u8 as _s3store::ColumnType>::equal_parts(
                &_s3store::enum_integer(value)?,
            )
        }
        fn push_null(builder: &mut Self::Builder) {
            <::core::primitive::u8 as _s3store::ColumnType>::push_null(builder);
        }
        fn finish(
            builder: Self::Builder,
        ) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
            <::core::primitive::u8 as _s3store::ColumnType>::finish(builder)
        }
        fn reader(
            array: &_s3store::ArrayRef,
        ) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
            <::core::primitive::u8 as _s3store::ColumnType>::reader(array)
        }
        fn is_null(
            reader: &Self::Reader,
            row: ::core::primitive::usize,
        ) -> ::core::primitive::bool {
            <::core::primitive::u8 as _s3store::ColumnType>::is_null(reader, row)
        }
        fn get(
            reader: &Self::Reader,
            row: ::core::primitive::usize,
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            <::core::primitive::u8 as _s3store::ColumnType>::get(reader, row)
                .and_then(_s3store::enum_from_integer)
        }
        fn hold(
            array: &_s3store::ArrayRef,
            rows: &_s3store::Reachable,
        ) -> ::core::result::Result<Self::InRows, _s3store::ValueError> {
            _s3store::OwnedRows::hold::<_s3store::Plain>(array, rows)
        }
    }
    #[automatically_derived]
    impl _s3store::PartitionValue for State {
        type Kind = _s3store::AsValue<Self>;
        const IS_STORED: ::core::primitive::bool = true;
        fn render(
            &self,
            key: &mut ::std::string::String,
        ) -> ::core::result::Result<(), _s3store::ValueError> {
            _s3store::PartitionValue::render(&_s3store::enum_integer(self)?, key)
        }
    }
    #[automatically_derived]
    impl _s3store::ViewValue for State {
        fn parse(
            text: &::core::primitive::str,
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            <::core::primitive::u8 as _s3store::ViewValue>::parse(text)
                .and_then(_s3store::enum_from_integer)
        }
    }
};
