// The vector operations of lstm.h on AVX-512 with VNNI. Included inside a namespace that is compiled for it.

using Floats = __m512;
using Ints = __m512i;

constexpr int kLanes = 16;
constexpr int kRowsAtOnce = 6;  // times 4 gates: 24 sums, of 32 registers

inline Floats all(float x) { return _mm512_set1_ps(x); }
inline Ints no_ints() { return _mm512_setzero_si512(); }
inline Ints all_pairs(const int16_t *pair) {
    int32_t both;
    memcpy(&both, pair, sizeof both);
    return _mm512_set1_epi32(both);
}

inline Floats load(const float *p) { return _mm512_loadu_ps(p); }
inline Floats load(const Half *p) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(p))); }
inline Ints load_ints(const int16_t *p) { return _mm512_loadu_si512(p); }
inline void store(float *p, Floats x) { _mm512_storeu_ps(p, x); }
inline void store_rounded(int16_t *p, Floats x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(x)));
}

// For tiles.h.
inline void store_halves(int8_t *high, uint8_t *low, const int16_t *p) {
    const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(high), _mm256_cvtepi16_epi8(_mm256_srai_epi16(x, 8)));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(low), _mm256_cvtepi16_epi8(x));
}
inline Ints whole_of_halves(const int32_t *hh, const int32_t *hl, const int32_t *lh, const int32_t *ll) {
    const Ints middle = _mm512_add_epi32(_mm512_load_si512(hl), _mm512_load_si512(lh));
    const Ints outer = _mm512_add_epi32(_mm512_slli_epi32(_mm512_load_si512(hh), 16), _mm512_load_si512(ll));
    return _mm512_add_epi32(outer, _mm512_slli_epi32(middle, 8));
}

inline Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }  // a b + c
inline Ints multiply_add_pairs(Ints a, Ints b, Ints c) { return _mm512_dpwssd_epi32(c, a, b); }
inline Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }

// If one operand is a NaN, the result is the second operand.
inline Floats least(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats greatest(Floats a, Floats b) { return _mm512_max_ps(a, b); }

// tanh to 6e-5: a parabola for each of 32 stretches of |x|, selected from registers by the stretch's number.
inline Floats tanh_roughly(Floats x) {
    constexpr float kLast = (kStretches - 0.51F) * kStretch;  // beyond it tanh is 1 to 5e-5
    const Floats sign = _mm512_set1_ps(-0.0F);
    const Floats size = least(all(kLast), _mm512_andnot_ps(sign, x));
    // Adding 2^23 rounds a number to an integer and puts it into the lowest bits.
    const Ints stretch = _mm512_castps_si512(multiply_add(size, all(1 / kStretch), all(8388608.0F)));
    const auto pick = [stretch](const float *of) __attribute__((always_inline)) {
        return _mm512_permutex2var_ps(load(of), stretch, load(of + kLanes));
    };
    const Floats y = multiply_add(multiply_add(pick(kParabolas.a), size, pick(kParabolas.b)), size, pick(kParabolas.c));
    return _mm512_or_ps(y, _mm512_and_ps(sign, x));
}
