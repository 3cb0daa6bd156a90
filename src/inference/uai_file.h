// Files of the UAI inference competitions: factor graphs (.uai), evidence (.evid) and solutions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "inference/factor_graph.h"

namespace valley {

// Format: the word MARKOV or BAYES; the number of variables and the number of states of each; the
// number of factors and, for each, the number of its variables and these; then, for each factor,
// the number of its values and the values, of which the last variable changes fastest. Error kData
// with the file and line: a word that is not a number, a value that is negative or not finite, an
// unknown or repeated variable of a factor, a wrong number of values, text that ends too early or
// continues.
[[nodiscard]] FactorGraph read_uai(const std::filesystem::path& file);

// The number of observed variables, then a variable and its state for each; in the format of 2010
// after the number of samples, which must be 1. Error kData as above.
[[nodiscard]] Evidence read_evidence(const std::filesystem::path& file, const FactorGraph& graph);

// "MPE", then the number of variables and the state of each.
[[nodiscard]] std::string to_mpe(const std::vector<std::size_t>& values);
// "MAR", then the number of variables and, for each, the number of states and their probabilities.
[[nodiscard]] std::string to_mar(const std::vector<std::vector<double>>& marginals);

}  // namespace valley
