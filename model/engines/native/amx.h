// The tile registers of AMX, for tiles.h. Included inside a namespace that is compiled for AMX.
//
// There are eight, each with 16 rows of 64 bytes. Here 0 to 3 hold sums in int32, 4 and 5 the halves of the states, 6 and
// 7 those of the weights. A product adds, for each row of states and each unit, the products of four pairs of bytes.

constexpr int kTileBytes = 1024;

// GCC does not know that the intrinsics read memory, so stores must not move across them.
inline void fence_stores() { __asm__ volatile("" ::: "memory"); }

// Set the number of rows of the registers for sums and states.
inline void shape_tiles(int rows) {
    struct alignas(64) {
        uint8_t palette = 1, start_row = 0, reserved[14] = {};
        uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        uint8_t rows[16] = {};
    } shape;
    static_assert(sizeof shape == 64);
    for (int tile = 0; tile < 8; ++tile) shape.rows[tile] = static_cast<uint8_t>(tile < 6 ? rows : 16);
    fence_stores();
    _tile_loadconfig(&shape);
    fence_stores();
}

inline void clear_sums() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

// Add to the sums: both halves of the states times both halves of the weights.
inline void add_products(const int8_t *high, const uint8_t *low, int64_t stride, const uint8_t *weights) {
    fence_stores();
    _tile_loadd(4, high, stride);
    _tile_loadd(6, weights, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, weights + kTileBytes, 64);
    _tile_dpbsud(1, 4, 7);
    _tile_loadd(5, low, stride);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbuud(3, 5, 7);
    fence_stores();
}

inline void store_sums(int32_t (*sums)[16][16]) {
    _tile_stored(0, sums[0], 64);
    _tile_stored(1, sums[1], 64);
    _tile_stored(2, sums[2], 64);
    _tile_stored(3, sums[3], 64);
}

inline void release_tiles() { _tile_release(); }
