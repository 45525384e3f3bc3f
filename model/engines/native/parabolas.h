// tanh as 32 parabolas, computed by the compiler.
#pragma once

constexpr int kStretches = 32;
constexpr float kStretch = 0.17F;  // stretch n holds the numbers nearest to n * kStretch

struct Parabolas {  // a x^2 + b x + c for each stretch
    float a[kStretches], b[kStretches], c[kStretches];
};

constexpr double exact_tanh(double x) {
    const double reduced = 2 * x / 1024;  // e^2x by its series for a small exponent, then squared ten times
    double power = 1, term = 1;
    for (int n = 1; n < 10; ++n) power += term *= reduced / n;
    for (int n = 0; n < 10; ++n) power *= power;
    return (power - 1) / (power + 1);
}

constexpr Parabolas make_parabolas() {
    Parabolas made{};
    for (int n = 0; n < kStretches; ++n) {
        // Through the three Chebyshev points of the stretch, the largest error is nearly as small as possible.
        const double middle = n * double{kStretch}, step = 0.8660254 * kStretch / 2;
        const double low = exact_tanh(middle - step), centre = exact_tanh(middle), high = exact_tanh(middle + step);
        const double slope = (high - low) / (2 * step), bend = (high - 2 * centre + low) / (2 * step * step);
        made.a[n] = static_cast<float>(bend);
        made.b[n] = static_cast<float>(slope - 2 * bend * middle);
        made.c[n] = static_cast<float>(centre - slope * middle + bend * middle * middle);
    }
    return made;
}

constexpr Parabolas kParabolas = make_parabolas();
