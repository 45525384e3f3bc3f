// The kernel's arguments: plain C, mirrored field by field in binding.py. The caller owns all memory.
//
// H is the number of units of a layer, padded to a multiple of the vector width with units whose weights are 0.
// The four gates are in torch's order: input, forget, cell, output. Three of them are sigmoids, which are computed as
// sigmoid(z) = tanh(z / 2) / 2 + 1 / 2; weights.py has halved their z.
#pragma once

#include <cstdint>

struct Layer {
    // Added to each gate's product with the states: (words, H / lanes, 4, lanes) for the first layer, where a word's row
    // is embedding @ W_ih + b; (1, H / lanes, 4, lanes), only b, for the layers above.
    const void *input;
    // W_hh for the first layer, W_ih above W_hh for the others, K = H or 2 H inputs:
    // (H / lanes, K / group, 4, lanes, group), so that the products read it sequentially.
    const void *weights;
    // The same for tiles, if the level has them, with K padded by weights of 0: (H / 16, 4, K / 64, 2, 16, 16, 4), bytes of
    // block, gate, 64 inputs, high or low half, 4 of these inputs, unit, input.
    const uint8_t *tiles;
    const float *scales;  // (H / lanes, 4, lanes): the value of one step of the integer products
};

struct Network {
    int32_t units;  // H
    int32_t layer_count;
    const Layer *layers;
    const float *initial;  // (starts, layers, 2, H): possible initial hidden and cell states of a row
};

struct Rows {
    const int32_t *ids;      // all rows' words, one row after another
    const int64_t *offsets;  // (rows + 1): where each row begins, and the last one ends; no row is empty
    const int32_t *start;    // (rows): index of the initial states
    int32_t count;
    int32_t backwards;  // read each row from its last word to its first
    int32_t *next;      // the first row that no thread has taken; shared by all threads that compute these rows
    float *pooled;      // result (rows, 3, H): mean, maximum and last of the states of the top layer
};
