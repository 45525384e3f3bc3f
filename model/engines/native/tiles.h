// Sums of products of int16 with tile registers, which multiply bytes: 16 rows times 16 units times 64 inputs at once.
//
// A number is 256 high + low, where low is unsigned. So a product of two is 65536 high high + 256 (high low + low high)
// + low low, and each of the four terms has its own register. Sums are modulo 2^32 here as in `Int16`, so both give the
// same bits, and a step may use either.

class InTiles {
  public:
    using Precision = Int16;
    static constexpr int kMostSlots = 32;  // two full tiles

    InTiles() = default;
    InTiles(const InTiles &) = delete;
    InTiles &operator=(const InTiles &) = delete;
    ~InTiles() {
        if (rows_) release_tiles();
        free(halves_);
    }

    // False if there is no memory.
    bool prepare(const Network &network, int slots) {
        stride_ = stretches_of(inputs_of(network, network.layer_count - 1)) * kStretchInputs;
        const size_t bytes = static_cast<size_t>((slots + kTileRows - 1) / kTileRows * kTileRows) * stride_;
        halves_ = static_cast<int8_t *>(aligned_alloc(64, 2 * bytes));  // else a tile's rows would span cache lines
        if (!halves_) return false;
        memset(halves_, 0, 2 * bytes);
        low_ = reinterpret_cast<uint8_t *>(halves_) + bytes;
        return true;
    }

    void advance(const Network &network, int l, int direction, Slot<Int16> *const *slots, int used) {
        if (used < kFewRows) return in_registers_.advance(network, l, direction, slots, used);
        halve(network, l, slots, used);
        shape(used < kTileRows ? used : kTileRows);
        const int stretches = stretches_of(inputs_of(network, l));
        const uint8_t *weights = network.layers[l].tiles;
        for (int block = 0; block < network.units / kLanes; ++block, weights += 4 * 2 * stretches * kTileBytes)
            for (int first = 0; first < used; first += kTileRows) {
                Ints sums[kTileRows][4];
                const int rows = used - first < kTileRows ? used - first : kTileRows;
                multiply(first, rows, stretches, weights, sums);
                for (int r = 0; r < rows; ++r) renew(network, l, block, direction, *slots[first + r], sums[r]);
            }
    }

  private:
    static constexpr int kTileRows = 16;
    static constexpr int kFewRows = 8;  // with fewer rows, tiles mostly wait; a guess, not measured
    static constexpr int kStretchInputs = 64;  // of one product of tiles

    static int stretches_of(int inputs) { return (inputs + kStretchInputs - 1) / kStretchInputs; }

    // The rows' states as two matrices of bytes; if the inputs do not fill a stretch, the weights there are 0.
    void halve(const Network &network, int l, Slot<Int16> *const *slots, int used) {
        const int count = inputs_of(network, l);
        for (int r = 0; r < used; ++r) {
            const int16_t *states = inputs(network, l, *slots[r]);
            for (int k = 0; k < count; k += kLanes)
                store_halves(halves_ + stride_ * r + k, low_ + stride_ * r + k, states + k);
        }
    }

    void shape(int rows) {
        if (rows != rows_) shape_tiles(rows);
        rows_ = rows;
    }

    // As `multiply` in lstm.h; the weights of one block: (4, stretches, 2, 16, 16, 4), see network.h.
    void multiply(int first, int rows, int stretches, const uint8_t *weights, Ints (*result)[4]) {
        alignas(64) int32_t sums[4][kTileRows][kLanes];
        for (int gate = 0; gate < 4; ++gate) {
            clear_sums();
            for (int k = 0; k < stretches * kStretchInputs; k += kStretchInputs, weights += 2 * kTileBytes)
                add_products(halves_ + stride_ * first + k, low_ + stride_ * first + k, stride_, weights);
            store_sums(sums);
            for (int r = 0; r < rows; ++r)
                result[r][gate] = whole_of_halves(sums[0][r], sums[1][r], sums[2][r], sums[3][r]);
        }
    }

    InRegisters<Int16> in_registers_;
    int8_t *halves_ = nullptr;  // (slots, stride): high; then low
    uint8_t *low_ = nullptr;
    int64_t stride_ = 0;
    int rows_ = 0;  // the present number of rows of the tiles
};
