// What model/engines/native/amx.h does, in plain C++: so that tiles.h is tested on processors without AMX, too.

struct EmulatedTiles {
    int rows;
    int32_t sums[4][16][16];
};
inline thread_local EmulatedTiles tiles;

inline bool has_tiles() { return true; }

inline void shape_tiles(int rows) {
    tiles = {};
    tiles.rows = rows;
}

inline void clear_sums() { memset(tiles.sums, 0, sizeof tiles.sums); }

inline void add_products(const int8_t *high, const uint8_t *low, int64_t stride, const uint8_t *weights) {
    EmulatedTiles &to = tiles;
    for (int row = 0; row < to.rows; ++row, high += stride, low += stride)
        for (int k = 0; k < 64; ++k)
            for (int unit = 0; unit < 16; ++unit) {
                const int at = (k / 4) * 64 + unit * 4 + k % 4;
                const int weight_high = static_cast<int8_t>(weights[at]), weight_low = weights[kTileBytes + at];
                to.sums[0][row][unit] += high[k] * weight_high;
                to.sums[1][row][unit] += high[k] * weight_low;
                to.sums[2][row][unit] += low[k] * weight_high;
                to.sums[3][row][unit] += low[k] * weight_low;
            }
}

inline void store_sums(int32_t (*sums)[16][16]) {
    for (int kind = 0; kind < 4; ++kind) memcpy(sums[kind], tiles.sums[kind], sizeof(int32_t) * 16 * tiles.rows);
}

inline void release_tiles() { tiles.rows = 0; }
