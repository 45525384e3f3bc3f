// LSTM layers on a CPU (the arithmetic is in lstm.h) and the tokenizer (words.h). Called from binding.py.
//
// lstm.h is compiled once for each instruction set, each in its own namespace. The processor's instruction sets are
// detected at run time, so one file runs everywhere. All functions are thread-safe and keep no state between calls.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "network.h"
#include "words.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

#include "parabolas.h"

#if defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#include <sys/syscall.h>
#include <unistd.h>
#define HAS_AMX
#ifdef EMULATED_AMX
#include EMULATED_AMX  // the instructions in plain C++, for tests on processors without them
#endif
#endif

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 warns about its own AVX-512 header (GCC bug 105593)
#endif

namespace {

struct Half {  // a float16 in memory
    uint16_t bits;
};

// The code between these two is compiled for processors with these features.
#define PRAGMA(tokens) _Pragma(#tokens)
#ifdef __clang__
#define BEGIN_FOR(features) PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define END_FOR PRAGMA(clang attribute pop)
#else
#define BEGIN_FOR(features) PRAGMA(GCC push_options) PRAGMA(GCC target(features))
#define END_FOR PRAGMA(GCC pop_options)
#endif

#define LEVEL avx2
BEGIN_FOR("avx2,fma,f16c")
namespace avx2 {
#include "avx2.h"
#include "lstm.h"
}  // namespace avx2
END_FOR
#undef LEVEL

#define LEVEL avx512
BEGIN_FOR("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")
namespace avx512 {
#include "avx512.h"
#include "lstm.h"
}  // namespace avx512
END_FOR
#undef LEVEL

#ifdef HAS_AMX
#define LEVEL amx
BEGIN_FOR("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,amx-tile,amx-int8")
namespace amx {
#include "amx.h"
#include "avx512.h"
#include "lstm.h"
#include "tiles.h"
}  // namespace amx
END_FOR
#undef LEVEL
#endif

bool has_f16c() {  // clang's __builtin_cpu_supports does not know the name
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c(); }

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}

#ifdef HAS_AMX
// Linux permits tiles only on request. Then each thread of the process may use them, and `sigaltstack` requires stacks
// with room for the tiles; if a thread already has a smaller one, Linux refuses. Requested once.
bool was_given_amx() {
#ifdef EMULATED_AMX
    return true;
#else
    static const bool given = [] {
        constexpr unsigned kTiles = 1U << 24, kInt8 = 1U << 25;
        unsigned a, b, c, d;
        if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (kTiles | kInt8)) != (kTiles | kInt8)) return false;
        constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
        return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
    }();
    return given;
#endif
}
#endif

}  // namespace

#endif

extern "C" {

// binding.py uses the same numbers.
enum Level : int32_t { kNone = 0, kAvx2 = 1, kAvx512 = 2, kAmx = 3 };
enum PrecisionName : int32_t { kFp32 = 0, kInt16 = 1 };
enum Outcome : int32_t { kDone = 0, kNoMemory = 1, kNotSupported = 2 };

// The best level of this processor, which also has the lower ones.
__attribute__((visibility("default"))) int32_t best_level() {
#ifdef HAS_AMX
    if (has_avx512() && was_given_amx()) return kAmx;
#endif
#if defined(__x86_64__)
    if (has_avx512()) return kAvx512;
    if (has_avx2()) return kAvx2;
#endif
    return kNone;
}

// Compute rows that no thread has taken yet, up to `slots` of them side by side, until none is left.
__attribute__((visibility("default"))) int32_t compute(
    int32_t level, int32_t precision, const Network *network, const Rows *rows, int32_t slots) {
    (void)precision;  // unused where there is no level
    bool (*run)(const Network &, const Rows &, int) = nullptr;
#if defined(__x86_64__)
    if (level == kAvx2 && precision == kFp32) run = avx2::run<avx2::InRegisters<avx2::Fp32>>;
    if (level == kAvx2 && precision == kInt16) run = avx2::run<avx2::InRegisters<avx2::Int16>>;
    if (level >= kAvx512 && precision == kFp32) run = avx512::run<avx512::InRegisters<avx512::Fp32>>;
    if (level == kAvx512 && precision == kInt16) run = avx512::run<avx512::InRegisters<avx512::Int16>>;
#endif
#ifdef HAS_AMX
    if (level == kAmx && precision == kInt16) run = amx::run<amx::InTiles>;
#endif
    if (!run || level > best_level()) return kNotSupported;
    return run(*network, *rows, slots) ? kDone : kNoMemory;
}

// Fill the slots of a vocabulary, which are all 0.
__attribute__((visibility("default"))) void index_words(const Vocabulary *vocabulary) { words::index(*vocabulary); }

// Turn texts into ids.
__attribute__((visibility("default"))) void tokenize(const Vocabulary *vocabulary, const Texts *texts) {
    words::tokenize(*vocabulary, *texts);
}
}
