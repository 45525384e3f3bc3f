// The vector operations of lstm.h on AVX2 with FMA and F16C. Included inside a namespace that is compiled for it.

using Floats = __m256;
using Ints = __m256i;

constexpr int kLanes = 8;
constexpr int kRowsAtOnce = 3;  // times 4 gates: 12 sums, of 16 registers

inline Floats all(float x) { return _mm256_set1_ps(x); }
inline Ints no_ints() { return _mm256_setzero_si256(); }
inline Ints all_pairs(const int16_t *pair) {
    int32_t both;
    memcpy(&both, pair, sizeof both);
    return _mm256_set1_epi32(both);
}

inline Floats load(const float *p) { return _mm256_loadu_ps(p); }
inline Floats load(const Half *p) { return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i *>(p))); }
inline Ints load_ints(const int16_t *p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p)); }
inline void store(float *p, Floats x) { _mm256_storeu_ps(p, x); }
inline void store_rounded(int16_t *p, Floats x) {
    const Ints whole = _mm256_cvtps_epi32(x);
    const __m128i packed = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i *>(p), packed);
}

inline Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
inline Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }  // a b + c
inline Ints multiply_add_pairs(Ints a, Ints b, Ints c) { return _mm256_add_epi32(_mm256_madd_epi16(a, b), c); }
inline Floats to_floats(Ints x) { return _mm256_cvtepi32_ps(x); }

// If one operand is a NaN, the result is the second operand.
inline Floats least(Floats a, Floats b) { return _mm256_min_ps(a, b); }
inline Floats greatest(Floats a, Floats b) { return _mm256_max_ps(a, b); }

inline Floats tanh_exactly(Floats x);
inline Floats tanh_roughly(Floats x) { return tanh_exactly(x); }  // AVX2 has no instruction for a faster one
