// The LSTM, with the vector operations of the header that was included before it in the same namespace.
//
// Read from the bottom: `run` keeps some slots filled with rows, `Slots::step` reads one word in each of them, and
// `InRegisters` computes a layer, a few slots at a time: `multiply` computes the sums of products for `lanes` units, and
// `renew` the gates and the new states, all in registers. tiles.h computes the sums in another way. No row is padded, and
// no row's numbers depend on other rows.

// tanh to 5e-7: a quotient of polynomials, fitted by least squares, reweighted to reduce the largest error.
inline Floats tanh_exactly(Floats x) {
    constexpr float kLargest = 8.2F;  // beyond it tanh rounds to 1
    x = least(all(kLargest), greatest(all(-kLargest), x));
    const Floats s = multiply(x, x);
    Floats over = multiply_add(s, all(-5.786059187e-9F), all(6.949733233e-6F));
    over = multiply_add(s, over, all(2.666303422e-3F));
    over = multiply_add(s, over, all(1.268170476e-1F));
    over = multiply_add(s, over, all(9.999988675e-1F));
    Floats under = multiply_add(s, all(1.929848077e-4F), all(2.271939628e-2F));
    under = multiply_add(s, under, all(4.601462781e-1F));
    under = multiply_add(s, under, all(1.0F));
    return divide(multiply(x, over), under);
}

// A precision defines how states and weights are stored and multiplied. Sums of products are exact in `Int16`.
struct Fp32 {
    using State = float;
    using Weight = float;
    using Input = float;
    using Sum = Floats;
    using Factor = Floats;
    static constexpr int kGroup = 1;  // inputs per product
    static Sum zero() { return all(0.0F); }
    static Factor same_in_all_lanes(const State *x) { return all(*x); }
    static Factor weights(const Weight *w) { return load(w); }
    static Sum multiply_add(Factor x, Factor w, Sum sum) { return LEVEL::multiply_add(x, w, sum); }
    static Floats gate(Sum sum, const Input *input, const float *) { return add(sum, load(input)); }
    static Floats tanh(Floats x) { return tanh_exactly(x); }
    static void store_state(State *p, Floats h) { store(p, h); }
};

struct Int16 {
    using State = int16_t;
    using Weight = int16_t;
    using Input = Half;
    using Sum = Ints;
    using Factor = Ints;
    static constexpr int kGroup = 2;
    static constexpr float kOne = 8192;  // the state 1.0; weights.py uses it too, and ensures that no sum overflows
    static Sum zero() { return no_ints(); }
    static Factor same_in_all_lanes(const State *x) { return all_pairs(x); }
    static Factor weights(const Weight *w) { return load_ints(w); }
    static Sum multiply_add(Factor x, Factor w, Sum sum) { return multiply_add_pairs(x, w, sum); }
    static Floats gate(Sum sum, const Input *input, const float *scale) {
        return LEVEL::multiply_add(to_floats(sum), load(scale), load(input));
    }
    static Floats tanh(Floats x) { return tanh_roughly(x); }
    static void store_state(State *p, Floats h) { store_rounded(p, multiply(h, all(kOne))); }
};

// A place that computes one row after another.
template <class Precision>
struct Slot {
    using State = typename Precision::State;
    int32_t row;
    int32_t left;         // words to read, the current one included
    const int32_t *word;  // the current word
    State *states;        // (layers, 2, H): of each layer the states below it and its own; the first has none below
    State *fresh;         // (H): a layer's new states, while its old ones are still needed
    float *cells;         // (layers, H)
    float *pooled;        // (3, H): sum, maximum and last of the top layer's states
};

// sums[r][gate] = the states of row r times the weights of one block, for each unit of the block.
// The sums stay in registers, because all loops but the longest are unrolled, and noinline keeps the caller's out of them.
template <class Precision, int R>
__attribute__((noinline)) void multiply(
    int inputs, const typename Precision::State *const *states, const typename Precision::Weight *weights,
    typename Precision::Sum (*result)[4]) {
    typename Precision::Sum sums[R][4];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int gate = 0; gate < 4; ++gate) sums[r][gate] = Precision::zero();
    for (int k = 0; k < inputs; k += Precision::kGroup) {
        typename Precision::Factor x[R];
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) x[r] = Precision::same_in_all_lanes(states[r] + k);
#pragma GCC unroll 4
        for (int gate = 0; gate < 4; ++gate, weights += kLanes * Precision::kGroup) {
            const typename Precision::Factor w = Precision::weights(weights);
#pragma GCC unroll 8
            for (int r = 0; r < R; ++r) sums[r][gate] = Precision::multiply_add(x[r], w, sums[r][gate]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int gate = 0; gate < 4; ++gate) result[r][gate] = sums[r][gate];
}

// The number of states that the weights of layer `l` are multiplied with.
inline int inputs_of(const Network &network, int l) { return l == 0 ? network.units : 2 * network.units; }

// These states, contiguous.
template <class Precision>
const typename Precision::State *inputs(const Network &network, int l, const Slot<Precision> &slot) {
    return slot.states + 2 * network.units * l + (2 * network.units - inputs_of(network, l));
}

// Gates and new states of units [block * lanes, (block + 1) * lanes) of layer `l` in one slot, from their sums.
template <class Precision>
__attribute__((always_inline)) inline void renew(
    const Network &network, int l, int block, int direction, const Slot<Precision> &slot,
    const typename Precision::Sum (&sums)[4]) {
    const Layer &layer = network.layers[l];
    const int units = network.units;
    const int at = block * 4 * kLanes;
    auto input = static_cast<const typename Precision::Input *>(layer.input) + at;
    if (l == 0) {
        if (slot.left > 1) {  // the table is too large for the caches, so prefetch the next step's row
            auto next = reinterpret_cast<const char *>(input + int64_t{4} * units * slot.word[direction]);
            for (size_t byte = 0; byte < 4 * kLanes * sizeof *input; byte += 64) _mm_prefetch(next + byte, _MM_HINT_T0);
        }
        input += int64_t{4} * units * *slot.word;
    }
    const float *scales = layer.scales + at;
    Floats gates[4];
    for (int gate = 0; gate < 4; ++gate) {
        const int from = gate * kLanes;
        gates[gate] = Precision::tanh(Precision::gate(sums[gate], input + from, scales + from));
    }
    const Floats half = all(0.5F);
    const Floats in = multiply_add(gates[0], half, half);
    const Floats forget = multiply_add(gates[1], half, half);
    const Floats out = multiply_add(gates[3], half, half);
    float *cell = slot.cells + l * units + block * kLanes;
    const Floats c = multiply_add(forget, load(cell), multiply(in, gates[2]));
    const Floats h = multiply(out, Precision::tanh(c));
    store(cell, c);
    Precision::store_state(slot.fresh + block * kLanes, h);
    if (l + 1 == network.layer_count) {
        float *pooled = slot.pooled + block * kLanes;
        store(pooled, add(load(pooled), h));
        store(pooled + units, greatest(load(pooled + units), h));
        store(pooled + 2 * units, h);
    }
}

// A way to compute a layer, `kRowsAtOnce` slots at a time. Every way has its precision, the largest useful number of slots,
// `prepare` for a number of slots (false if there is no memory), and `advance`, which reads one word in each slot.
template <class P>
class InRegisters {
  public:
    using Precision = P;
    static constexpr int kMostSlots = 24;  // enough to read the weights rarely; all states still fit the L2 cache

    bool prepare(const Network &, int) { return true; }

    void advance(const Network &network, int l, int direction, Slot<P> *const *slots, int used) {
        const int groups = (used + kRowsAtOnce - 1) / kRowsAtOnce;
        for (int block = 0; block < network.units / kLanes; ++block)
            for (int group = 0; group < groups; ++group) {  // of nearly equal size
                const int first = used * group / groups, last = used * (group + 1) / groups;
                advance_some(network, l, block, direction, slots + first, last - first);
            }
    }

  private:
    static void advance_some(
        const Network &network, int l, int block, int direction, Slot<P> *const *slots, int count) {
        switch (count) {
            case 1: return advance_all<1>(network, l, block, direction, slots);
            case 2: return advance_all<2>(network, l, block, direction, slots);
            case 3: return advance_all<3>(network, l, block, direction, slots);
        }
        if constexpr (kRowsAtOnce > 3) switch (count) {
            case 4: return advance_all<4>(network, l, block, direction, slots);
            case 5: return advance_all<5>(network, l, block, direction, slots);
            case 6: return advance_all<6>(network, l, block, direction, slots);
        }
    }

    template <int R>
    static void advance_all(const Network &network, int l, int block, int direction, Slot<P> *const *slots) {
        const int count = inputs_of(network, l);
        const typename P::State *states[R];
        for (int r = 0; r < R; ++r) states[r] = inputs(network, l, *slots[r]);
        auto weights = static_cast<const typename P::Weight *>(network.layers[l].weights);
        typename P::Sum sums[R][4];
        multiply<P, R>(count, states, weights + int64_t{4} * kLanes * count * block, sums);
        for (int r = 0; r < R; ++r) renew(network, l, block, direction, *slots[r], sums[r]);
    }
};

template <class Way>
class Slots {
  public:
    using Precision = typename Way::Precision;
    using State = typename Precision::State;

    Slots(const Network &network, const Rows &rows) : network_(network), rows_(rows) {}
    ~Slots() { free(memory_); }
    Slots(const Slots &) = delete;
    Slots &operator=(const Slots &) = delete;

    // False if there is no memory.
    bool make(int count) {
        const size_t units = static_cast<size_t>(network_.units), layers = static_cast<size_t>(network_.layer_count);
        const size_t floats = (layers + 3) * units, states = (2 * layers + 1) * units;
        const size_t slot_bytes = floats * sizeof(float) + states * sizeof(State);
        memory_ = static_cast<char *>(calloc(static_cast<size_t>(count), slot_bytes));
        for (int s = 0; memory_ && s < count; ++s) {
            auto numbers = reinterpret_cast<float *>(memory_ + static_cast<size_t>(s) * slot_bytes);
            auto fresh = reinterpret_cast<State *>(numbers + floats);
            slots_[s] = {0, 0, nullptr, fresh + units, fresh, numbers + 3 * units, numbers};
            active_[s] = &slots_[s];
        }
        return memory_ && way_.prepare(network_, count);
    }

    // Compute rows in `count` slots until no row is left.
    void run(int count) {
        int used = 0;
        while (used < count && take_row(*active_[used])) ++used;
        while (used > 0) {
            step(used);
            for (int s = used - 1; s >= 0; --s) {
                Slot<Precision> &slot = *active_[s];
                slot.word += direction();
                if (--slot.left > 0) continue;
                finish(slot);
                if (!take_row(slot)) active_[s] = active_[--used];
            }
        }
    }

  private:
    int direction() const { return rows_.backwards ? -1 : 1; }

    bool take_row(Slot<Precision> &slot) {
        const int32_t row = __atomic_fetch_add(rows_.next, 1, __ATOMIC_RELAXED);
        if (row >= rows_.count) return false;
        const int64_t begin = rows_.offsets[row], end = rows_.offsets[row + 1];
        const int units = network_.units;
        slot.row = row;
        slot.left = static_cast<int32_t>(end - begin);
        slot.word = rows_.ids + (rows_.backwards ? end - 1 : begin);
        const float *initial = network_.initial + int64_t{2} * units * network_.layer_count * rows_.start[row];
        for (int l = 0; l < network_.layer_count; ++l, initial += 2 * units)
            for (int unit = 0; unit < units; unit += kLanes) {
                Precision::store_state(slot.states + (2 * l + 1) * units + unit, load(initial + unit));
                store(slot.cells + l * units + unit, load(initial + units + unit));
            }
        for (int unit = 0; unit < units; unit += kLanes) {
            store(slot.pooled + unit, all(0.0F));
            store(slot.pooled + units + unit, all(-INFINITY));
        }
        return true;
    }

    void finish(const Slot<Precision> &slot) const {
        const int units = network_.units;
        const int64_t length = rows_.offsets[slot.row + 1] - rows_.offsets[slot.row];
        float *pooled = rows_.pooled + int64_t{3} * units * slot.row;
        memcpy(pooled, slot.pooled, 3 * static_cast<size_t>(units) * sizeof(float));
        for (int unit = 0; unit < units; ++unit) pooled[unit] /= static_cast<float>(length);
    }

    // One word in each of the first `used` slots.
    void step(int used) {
        const int units = network_.units;
        for (int l = 0; l < network_.layer_count; ++l) {
            way_.advance(network_, l, direction(), active_, used);
            const size_t bytes = static_cast<size_t>(units) * sizeof(State);
            for (int s = 0; s < used; ++s) {
                State *own = active_[s]->states + (2 * l + 1) * units;
                memcpy(own, active_[s]->fresh, bytes);
                if (l + 1 < network_.layer_count) memcpy(own + units, active_[s]->fresh, bytes);
            }
        }
    }

    const Network &network_;
    const Rows &rows_;
    Way way_;
    char *memory_ = nullptr;
    Slot<Precision> slots_[Way::kMostSlots];
    Slot<Precision> *active_[Way::kMostSlots];
};

// False if there is no memory for the slots.
template <class Way>
bool run(const Network &network, const Rows &rows, int slots) {
    const unsigned control = _mm_getcsr();
    _mm_setcsr(control | 0x8040);  // numbers below 1e-38 count as 0, because denormal states take a hundred times as long
    Slots<Way> places(network, rows);
    slots = slots < Way::kMostSlots ? slots : Way::kMostSlots;
    const bool possible = places.make(slots);
    if (possible) places.run(slots);
    _mm_setcsr(control);
    return possible;
}
