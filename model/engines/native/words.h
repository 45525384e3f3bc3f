// WordTokenizer of model/tokenizer.py, which tells the rules, for texts that are ASCII. All memory is the caller's; the
// structures are mirrored field by field in binding.py.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

constexpr int32_t kUnknownId = 1, kFirstWordId = 2;  // as in model/tokenizer.py

struct Slot {
    uint32_t hash;
    int32_t id;  // 0: the slot is free
};

struct Vocabulary {
    const char *bytes;       // all words, one after another
    const int64_t *offsets;  // (words + 1): where each word begins, and the last one ends
    Slot *slots;             // (mask + 1), a power of two and more than there are words
    int32_t count;
    uint32_t mask;
};

struct Texts {
    const char *bytes;       // all texts, one after another
    const int64_t *offsets;  // (texts + 1): where each text begins, and the last one ends
    const int64_t *seams;    // (texts): of a text that was cut, the length of its first end; -1 of a whole one
    int32_t count;
    int32_t head, tail;  // so many words are kept at the beginning and at the end
    char *scratch;       // as long as the longest text
    int32_t *ids;        // result, one row after another; there is room for min(length, head + tail) ids of each text
    int32_t *tokens;     // result (texts): the length of each row
    int32_t *unknown;    // result (texts): how many of them the vocabulary does not have
    int32_t *marks;      // result (texts): how many of them are known marks
    bool *truncated;     // result (texts): whether words were dropped
};

namespace words {

constexpr char lower(char c) { return 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool is_digit(char c) { return '0' <= c && c <= '9'; }
constexpr bool is_letter_or_digit(char c) { return ('a' <= lower(c) && lower(c) <= 'z') || is_digit(c); }

// Whether `text` begins with `pattern`, which is in lower case, in whatever case.
inline bool begins(std::string_view text, std::string_view pattern) {
    if (text.size() < pattern.size()) return false;
    for (size_t i = 0; i < pattern.size(); ++i)
        if (lower(text[i]) != pattern[i]) return false;
    return true;
}

// Whether a word ends at `at`, given that its last character stands before it.
inline bool is_boundary(std::string_view text, size_t at) { return at == text.size() || !is_letter_or_digit(text[at]); }

template <typename Kind>
size_t end_of_run(std::string_view text, size_t at, Kind kind) {
    while (at < text.size() && kind(text[at])) ++at;
    return at;
}

// Whether a blank before `rest` is one that a treebank put there. In `rest` nothing was replaced, which is all the same:
// what is replaced is no letter before nor after.
inline bool is_split_off(std::string_view rest) {
    if (rest.empty() || (rest[0] != '\'' && lower(rest[0]) != 'n')) return false;
    for (const std::string_view ending : {"n't", "'s", "'m", "'d", "'re", "'ve", "'ll"})
        if (begins(rest, ending) && is_boundary(rest, ending.size())) return true;
    return false;
}

// `text` in lower case, with what stands for a blank replaced and blanks that split a word removed: never longer.
inline std::string_view make_plain(std::string_view text, char *scratch) {
    constexpr std::string_view kLineBreak = "<br />";
    size_t size = 0;
    for (size_t at = 0; at < text.size(); ++at) {
        char c = lower(text[at]);
        if (c == '<' && begins(text.substr(at), kLineBreak)) {
            c = ' ';
            at += kLineBreak.size() - 1;
        } else if (c == '_') {
            c = ' ';
        }
        if (c == ' ' && is_split_off(text.substr(at + 1))) continue;
        scratch[size++] = c;
    }
    return {scratch, size};
}

// Of the word that begins at `at` in a plain text.
inline size_t end_of_word(std::string_view plain, size_t at) {
    const size_t end = end_of_run(plain, at, is_letter_or_digit);
    if (end == plain.size()) return end;
    if (plain[end] == '\'') {
        const size_t longer = end_of_run(plain, end + 1, is_letter_or_digit);
        return longer > end + 1 ? longer : end;
    }
    size_t slash = end;
    if (plain[end] == '.') {
        slash = end_of_run(plain, end + 1, is_digit);
        if (slash == end + 1) return end;
    }
    return plain.substr(slash, 3) == "/10" && is_boundary(plain, slash + 3) ? slash + 3 : end;
}

inline uint32_t hash_of(std::string_view word) {  // FNV-1a
    uint32_t hash = 2166136261u;
    for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return hash;
}

// The slot that a word is in, or the free one where it would be.
inline Slot &slot_of(const Vocabulary &vocabulary, std::string_view word, uint32_t hash) {
    for (uint32_t at = hash & vocabulary.mask;; at = (at + 1) & vocabulary.mask) {
        Slot &slot = vocabulary.slots[at];
        if (slot.id == 0) return slot;
        if (slot.hash != hash) continue;
        const int64_t *offset = vocabulary.offsets + (slot.id - kFirstWordId);
        if (word == std::string_view(vocabulary.bytes + offset[0], offset[1] - offset[0])) return slot;
    }
}

inline int32_t id_of(const Vocabulary &vocabulary, std::string_view word) {
    const int32_t id = slot_of(vocabulary, word, hash_of(word)).id;
    return id == 0 ? kUnknownId : id;
}

// Fill the slots, which are all free. Of a word that stands twice the last id counts, as in a dict of Python.
inline void index(const Vocabulary &vocabulary) {
    for (int32_t i = 0; i < vocabulary.count; ++i) {
        const int64_t *offset = vocabulary.offsets + i;
        const std::string_view word(vocabulary.bytes + offset[0], offset[1] - offset[0]);
        const uint32_t hash = hash_of(word);
        slot_of(vocabulary, word, hash) = {hash, kFirstWordId + i};
    }
}

// Write the ids of the first `head` and the last `tail` words of a text. Returns how many words it has, or head + 1
// where it has more and none of the last is wanted.
inline int64_t read(
    const Vocabulary &vocabulary, std::string_view text, int32_t head, int32_t tail, char *scratch, int32_t *ids) {
    const std::string_view plain = make_plain(text, scratch);
    const int32_t room = head + tail;
    int64_t words = 0;
    int32_t next = 0;  // where an id is written: behind `head` round and round
    for (size_t at = 0, end = 0; at < plain.size(); at = end) {
        const bool mark = plain[at] == '!' || plain[at] == '?';
        end = is_letter_or_digit(plain[at]) ? end_of_word(plain, at) : at + 1;
        if (!mark && !is_letter_or_digit(plain[at])) continue;
        ++words;
        if (next == room) next = head;
        if (next == room) break;
        ids[next++] = id_of(vocabulary, plain.substr(at, end - at));
    }
    if (words > room) std::rotate(ids + head, ids + next, ids + room);
    return words;
}

inline void tokenize(const Vocabulary &vocabulary, const Texts &texts) {
    const int32_t marks[] = {id_of(vocabulary, "!"), id_of(vocabulary, "?")};
    const int64_t room = texts.head + texts.tail;
    int32_t *ids = texts.ids;
    for (int32_t i = 0; i < texts.count; ++i) {
        const std::string_view text(texts.bytes + texts.offsets[i], texts.offsets[i + 1] - texts.offsets[i]);
        int64_t tokens = 0;
        if (texts.seams[i] < 0) {
            const int64_t words = read(vocabulary, text, texts.head, texts.tail, texts.scratch, ids);
            texts.truncated[i] = words > room;
            tokens = std::min(words, room);
        } else {
            const std::string_view first = text.substr(0, texts.seams[i]), last = text.substr(texts.seams[i]);
            tokens = std::min<int64_t>(texts.head, read(vocabulary, first, texts.head, 0, texts.scratch, ids));
            tokens += std::min<int64_t>(texts.tail, read(vocabulary, last, 0, texts.tail, texts.scratch, ids + tokens));
            texts.truncated[i] = true;
        }
        texts.tokens[i] = static_cast<int32_t>(tokens);
        texts.unknown[i] = static_cast<int32_t>(std::count(ids, ids + tokens, kUnknownId));
        texts.marks[i] = 0;
        for (const int32_t mark : marks)
            if (mark != kUnknownId) texts.marks[i] += static_cast<int32_t>(std::count(ids, ids + tokens, mark));
        ids += tokens;
    }
}

}  // namespace words
