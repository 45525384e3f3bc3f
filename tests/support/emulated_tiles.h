// The instructions of AMX that model/engines/native/amx.h uses, in plain C++ as Intel documents them: so that amx.h and
// tiles.h are tested on processors without AMX, too. What would be a fault on such a processor ends the process.

namespace emulated {

struct Tiles {
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape;
    uint8_t bytes[8][16][64];
};
inline thread_local Tiles tiles;

inline void want(bool met) {
    if (!met) abort();
}

inline void load_config(const void *shape) {
    tiles = {};
    memcpy(&tiles.shape, shape, sizeof tiles.shape);
    want(tiles.shape.palette == 1 && tiles.shape.start_row == 0);
    for (uint8_t byte : tiles.shape.reserved) want(byte == 0);
    for (int tile = 0; tile < 16; ++tile) {
        const int rows = tiles.shape.rows[tile], row_bytes = tiles.shape.row_bytes[tile];
        want(tile < 8 ? rows <= 16 && row_bytes <= 64 && !rows == !row_bytes : !rows && !row_bytes);
    }
}

inline void release() { tiles = {}; }

inline void zero(int tile) {
    want(tiles.shape.rows[tile]);
    memset(tiles.bytes[tile], 0, sizeof tiles.bytes[tile]);
}

inline void load(int tile, const void *from, int64_t stride) {
    zero(tile);
    for (int row = 0; row < tiles.shape.rows[tile]; ++row)
        memcpy(tiles.bytes[tile][row], static_cast<const char *>(from) + stride * row, tiles.shape.row_bytes[tile]);
}

inline void store(int tile, void *to, int64_t stride) {
    want(tiles.shape.rows[tile]);
    for (int row = 0; row < tiles.shape.rows[tile]; ++row)
        memcpy(static_cast<char *>(to) + stride * row, tiles.bytes[tile][row], tiles.shape.row_bytes[tile]);
}

// sums[m][n] += the four bytes k of x[m] times those of w[k / 4][n], with sign or without. Touches nothing but registers,
// whose shapes are looked at before: the sanitizers, which would make it fifty times as slow, need not watch.
template <class X, class W>
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) void multiply(int sums, int x, int w) {
    auto &[shape, bytes] = tiles;
    want(sums != x && sums != w && x != w && shape.rows[x] == shape.rows[sums]);
    want(shape.row_bytes[w] == shape.row_bytes[sums] && shape.rows[w] == shape.row_bytes[x] / 4);
    const int rows = shape.rows[sums], inputs = shape.row_bytes[x], units = shape.row_bytes[sums] / 4;
    for (int row = 0; row < rows; ++row) {
        uint32_t total[16];
        memcpy(total, bytes[sums][row], sizeof total);
        for (int k = 0; k < inputs; ++k) {
            const X factor = static_cast<X>(bytes[x][row][k]);
            const uint8_t *weights = &bytes[w][k / 4][k % 4];
            for (int unit = 0; unit < units; ++unit)
                total[unit] += static_cast<uint32_t>(factor * static_cast<W>(weights[unit * 4]));
        }
        memcpy(bytes[sums][row], total, sizeof total);
    }
}

}  // namespace emulated

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#undef _tile_dpbsud
#undef _tile_dpbusd
#undef _tile_dpbuud
#define _tile_loadconfig(shape) emulated::load_config(shape)
#define _tile_release() emulated::release()
#define _tile_zero(tile) emulated::zero(tile)
#define _tile_loadd(tile, from, stride) emulated::load(tile, from, stride)
#define _tile_stored(tile, to, stride) emulated::store(tile, to, stride)
#define _tile_dpbssd(sums, x, w) emulated::multiply<int8_t, int8_t>(sums, x, w)
#define _tile_dpbsud(sums, x, w) emulated::multiply<int8_t, uint8_t>(sums, x, w)
#define _tile_dpbusd(sums, x, w) emulated::multiply<uint8_t, int8_t>(sums, x, w)
#define _tile_dpbuud(sums, x, w) emulated::multiply<uint8_t, uint8_t>(sums, x, w)
