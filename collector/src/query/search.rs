//! Lists by index: the running collector's way to answer [`CiQuery`], with the orders that lists were lately asked in.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use rollcall_core::{
    Ci, Estate,
    infer::{DEVICE, last_met},
    query::{Filter, SearchIndex},
};
use rollcall_shared::{CiId, Timestamp};

use super::{CiQuery, Column, Key, MAX_LIMIT, Page, Position, QueryError, Sort, key_of, next_of, order};

/// Orders that are kept.
const ORDERS_KEPT: usize = 12;

/// The index of the estate and the orders of its lists. It follows the estate when it is asked, and soon after every write.
///
/// Whoever asks holds the estate; nobody may wait for the estate while holding the index.
#[derive(Default)]
pub struct Search {
    index: RwLock<SearchIndex>,
    /// Nobody may wait for the index while holding these.
    orders: Mutex<Orders>,
}

/// Orders of lists. To make one takes longer than anybody is to wait, so whoever asks for a new one first gets a list that is sorted by itself.
#[derive(Default)]
struct Orders {
    /// Those asked for last come first.
    kept: Vec<(Sort, Arc<Order>)>,
    /// To be made soon.
    wanted: Vec<Sort>,
}

impl Search {
    /// Lists configuration items, as [`super::list`] does.
    ///
    /// # Errors
    /// [`QueryError::Cursor`] if the cursor is not one of this order.
    pub fn list<'a>(&self, estate: &'a Estate, query: &CiQuery, now: Timestamp) -> Result<Page<&'a Ci>, QueryError> {
        let after = query.after.as_deref().map(|cursor| Position::parse(cursor, &query.sort)).transpose()?;
        let index = self.current(estate);
        let found = index.find(estate, &query.filter, now);
        let total = usize::try_from(found.len()).unwrap_or(usize::MAX);
        let limit = query.limit.clamp(1, MAX_LIMIT);
        let descending = query.sort.descending;
        // Sorts what was found, and nothing else.
        let sorted_by = |key: &dyn Fn(u32, CiId) -> Key| {
            let all = found.iter().filter_map(|number| index.id(number).map(|id| (key(number, id), id)));
            let is_after =
                |(key, id): &(Key, CiId)| after.as_ref().is_none_or(|after| order(key, *id, &after.key, after.id, descending).is_gt());
            let mut rest: Vec<(Key, CiId)> = all.filter(is_after).collect();
            let more = keep_first(&mut rest, limit, |a, b| order(&a.0, a.1, &b.0, b.1, descending));
            (rest, more)
        };
        let (page, more): (Vec<(Key, CiId)>, bool) = match query.sort.column {
            // When agents are heard is not written, and ranks are found beside the estate, so no order of these can be kept.
            Column::Rank => sorted_by(&|_, id| query.rank_of(id)),
            Column::LastSeen => {
                // Only devices without an agent are worth a look at who met them.
                let devices = Filter::parse(estate.catalogue(), &format!("class:{DEVICE} lifecycle:any")).unwrap_or_default();
                let devices = index.find(estate, &devices, now);
                let met = |number| index.id(number).and_then(|id| estate.ci(id)).and_then(|ci| last_met(estate, ci));
                let seen = |number| match index.agent(number) {
                    Some(agent) => estate.agent_last_seen(agent),
                    None => devices.contains(number).then(|| met(number)).flatten(),
                };
                sorted_by(&|number, _| seen(number).map_or(Key::Missing, |at| Key::Number(at.as_millis() as f64)))
            }
            Column::Relevance => {
                let by_name = self.order(&index, estate, &Sort::default());
                let nearness = index.nearness(&query.filter);
                let start = match &after {
                    Some(after) => {
                        let (near, name) = after.nearness().ok_or(QueryError::Cursor)?;
                        join(near, by_name.start(&index, &Key::Text(name), after.id, false))
                    }
                    None => 0,
                };
                let place = |number: u32| join(nearness[number as usize], by_name.rank[number as usize]);
                let mut rest: Vec<u64> = found.iter().map(place).filter(|place| *place >= start).collect();
                let more = keep_first(&mut rest, limit, u64::cmp);
                let key = |place: &u64| {
                    let (near, rank) = ((place >> 32) as u32, *place as u32);
                    let number = by_name.order[rank as usize];
                    let name = match by_name.keys[number as usize].as_ref() {
                        Key::Text(name) => name.as_str(),
                        _ => "",
                    };
                    Some((Key::near(near, name), index.id(number)?))
                };
                (rest.iter().filter_map(key).collect(), more)
            }
            _ => match self.order_or_want(&index, estate, &query.sort) {
                None => sorted_by(&|_, id| estate.ci(id).map_or(Key::Missing, |ci| key_of(estate, ci, &query.sort.column))),
                Some(sorted) => {
                    let start = after.as_ref().map_or(0, |after| sorted.start(&index, &after.key, after.id, descending));
                    let mut rest: Vec<u32> =
                        found.iter().map(|number| sorted.rank[number as usize]).filter(|rank| *rank >= start).collect();
                    let more = keep_first(&mut rest, limit, u32::cmp);
                    let key = |rank: &u32| {
                        let number = sorted.order[*rank as usize];
                        Some((sorted.keys[number as usize].as_ref().clone(), index.id(number)?))
                    };
                    (rest.iter().filter_map(key).collect(), more)
                }
            },
        };
        let next = next_of(&page, more, &query.sort);
        let items = page.into_iter().filter_map(|(_, id)| estate.ci(id)).collect();
        Ok(Page { items, next, total })
    }

    /// Every configuration item for which a filter holds, in no order.
    pub fn matching<'a>(&self, estate: &'a Estate, filter: &Filter, now: Timestamp) -> Vec<&'a Ci> {
        let index = self.current(estate);
        let found = index.find(estate, filter, now);
        found.iter().filter_map(|number| index.id(number)).filter_map(|id| estate.ci(id)).collect()
    }

    /// How many items there are of each class (not of those that specialise it), of those that lists have without a filter.
    pub fn count_by_class(&self, estate: &Estate) -> Vec<(String, usize)> {
        let index = self.current(estate);
        index.listed_by_class().map(|(class, count)| (class.to_owned(), usize::try_from(count).unwrap_or(usize::MAX))).collect()
    }

    /// Takes in what was written, and brings the order of names along, so that the next question need not; and makes the orders that
    /// lists were asked in for the first time.
    pub fn catch_up(&self, estate: &Estate) {
        let index = self.current(estate);
        self.order(&index, estate, &Sort::default());
        let wanted = self.orders().wanted.clone();
        for sort in wanted {
            self.order(&index, estate, &sort);
        }
    }

    /// Whether there is nothing to take in and no order to make.
    pub fn is_current(&self, estate: &Estate) -> bool {
        let nothing_wanted = self.orders().wanted.is_empty();
        nothing_wanted && self.read().is_current(estate)
    }

    /// The index of the estate as it is. It stays current as long as the estate is held.
    fn current(&self, estate: &Estate) -> RwLockReadGuard<'_, SearchIndex> {
        let index = self.read();
        if index.is_current(estate) {
            return index;
        }
        drop(index);
        self.index.write().unwrap_or_else(PoisonError::into_inner).catch_up(estate);
        self.read()
    }

    fn read(&self) -> RwLockReadGuard<'_, SearchIndex> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All items in an order that was asked for before; of another it is noted that it is wanted.
    fn order_or_want(&self, index: &SearchIndex, estate: &Estate, sort: &Sort) -> Option<Arc<Order>> {
        let mut orders = self.orders();
        if !orders.kept.iter().any(|(known, _)| known == sort) {
            if orders.wanted.len() < ORDERS_KEPT && !orders.wanted.contains(sort) {
                orders.wanted.push(sort.clone());
            }
            return None;
        }
        drop(orders);
        Some(self.order(index, estate, sort))
    }

    /// All items in an order.
    fn order(&self, index: &SearchIndex, estate: &Estate, sort: &Sort) -> Arc<Order> {
        // Not held while sorting: whoever asks for another order need not wait, and two that sort the same come to the same.
        let known = self.orders().kept.iter().find(|(known, _)| known == sort).map(|(_, order)| Arc::clone(order));
        let now = match known {
            Some(known) if known.place == index.changed() => known,
            Some(known) => Arc::new(known.after(index, estate, sort).unwrap_or_else(|| Order::of(index, estate, sort))),
            None => Arc::new(Order::of(index, estate, sort)),
        };
        let mut orders = self.orders();
        orders.wanted.retain(|wanted| wanted != sort);
        orders.kept.retain(|(known, _)| known != sort);
        orders.kept.insert(0, (sort.clone(), Arc::clone(&now)));
        // That of names is used by every search.
        while orders.kept.len() > ORDERS_KEPT {
            match orders.kept.iter().rposition(|(sort, _)| *sort != Sort::default()) {
                Some(oldest) => drop(orders.kept.remove(oldest)),
                None => break,
            }
        }
        now
    }
}

/// All items, by number, in one order.
struct Order {
    /// The index's place in the sequence of changes that it is of.
    place: usize,
    /// By number; shared with the order before.
    keys: Vec<Arc<Key>>,
    order: Vec<u32>,
    /// By number: where in `order`.
    rank: Vec<u32>,
}

impl Order {
    fn of(index: &SearchIndex, estate: &Estate, sort: &Sort) -> Self {
        let numbers = 0..u32::try_from(index.len()).unwrap_or(u32::MAX);
        let keys: Vec<Arc<Key>> = numbers.clone().map(|number| key_of_number(index, estate, number, sort)).collect();
        let mut order: Vec<u32> = numbers.collect();
        order.sort_unstable_by(|a, b| compare(index, &keys, *a, *b, sort.descending));
        Self::new(index, keys, order)
    }

    /// The order after changes; `None` if they are not known any more.
    fn after(&self, index: &SearchIndex, estate: &Estate, sort: &Sort) -> Option<Self> {
        let mut changed = index.changed_since(self.place)?.to_vec();
        changed.sort_unstable();
        changed.dedup();
        let mut keys = self.keys.clone();
        keys.resize(index.len(), Arc::new(Key::Missing));
        for &number in &changed {
            keys[number as usize] = key_of_number(index, estate, number, sort);
        }
        // What is related to but unknown has a number without having changed.
        let newer = u32::try_from(self.keys.len()).unwrap_or(u32::MAX)..u32::try_from(index.len()).unwrap_or(u32::MAX);
        changed.extend(newer);
        changed.sort_unstable();
        changed.dedup();
        let mut stays = vec![true; index.len()];
        changed.iter().for_each(|number| stays[*number as usize] = false);
        let by_order = |a: u32, b: u32| compare(index, &keys, a, b, sort.descending);
        changed.sort_unstable_by(|a, b| by_order(*a, *b));
        let kept: Vec<u32> = self.order.iter().copied().filter(|number| stays[*number as usize]).collect();
        let mut order = Vec::with_capacity(index.len());
        let mut from = 0;
        for number in changed {
            let to = from + kept[from..].partition_point(|other| by_order(*other, number).is_lt());
            order.extend_from_slice(&kept[from..to]);
            order.push(number);
            from = to;
        }
        order.extend_from_slice(&kept[from..]);
        Some(Self::new(index, keys, order))
    }

    fn new(index: &SearchIndex, keys: Vec<Arc<Key>>, order: Vec<u32>) -> Self {
        let mut rank = vec![0; order.len()];
        for (at, number) in order.iter().enumerate() {
            rank[*number as usize] = at as u32;
        }
        Self { place: index.changed(), keys, order, rank }
    }

    /// The first rank behind a position.
    fn start(&self, index: &SearchIndex, key: &Key, id: CiId, descending: bool) -> u32 {
        let until = |number: &u32| match index.id(*number) {
            Some(known) => order(&self.keys[*number as usize], known, key, id, descending).is_le(),
            None => true,
        };
        u32::try_from(self.order.partition_point(until)).unwrap_or(u32::MAX)
    }
}

fn key_of_number(index: &SearchIndex, estate: &Estate, number: u32, sort: &Sort) -> Arc<Key> {
    Arc::new(index.id(number).and_then(|id| estate.ci(id)).map_or(Key::Missing, |ci| key_of(estate, ci, &sort.column)))
}

fn compare(index: &SearchIndex, keys: &[Arc<Key>], a: u32, b: u32, descending: bool) -> std::cmp::Ordering {
    match (index.id(a), index.id(b)) {
        (Some(a_id), Some(b_id)) => order(&keys[a as usize], a_id, &keys[b as usize], b_id, descending),
        _ => a.cmp(&b),
    }
}

fn join(near: u32, rank: u32) -> u64 {
    u64::from(near) << 32 | u64::from(rank)
}

/// Leaves the first `limit`, in order; says whether there were more.
fn keep_first<T>(items: &mut Vec<T>, limit: usize, by_order: impl Fn(&T, &T) -> std::cmp::Ordering + Copy) -> bool {
    let more = items.len() > limit;
    if more {
        // Only the page needs to be in order, not the estate.
        items.select_nth_unstable_by(limit - 1, by_order);
        items.truncate(limit);
    }
    items.sort_unstable_by(by_order);
    more
}
