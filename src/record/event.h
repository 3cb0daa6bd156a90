// TensorBoard events as protocol buffers: Event, SessionLog, Summary and TensorProto of
// event.proto, summary.proto and tensor.proto in the `tensorboard` package. In the forms that both
// of its readers accept without conversion: scalars as simple_value, images as Summary.Image, text
// as a string tensor of the text plugin.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "record/image_grid.h"

namespace valley {

using Scalars = std::vector<std::pair<std::string, double>>;  // tags and values

// `wall_time`: seconds since 1970. Values are rounded to float32, the type of the format.
[[nodiscard]] std::string version_event(double wall_time);  // first event of every file
// Readers discard events of this and later steps that they have read before.
[[nodiscard]] std::string start_event(double wall_time, std::int64_t step);
[[nodiscard]] std::string scalars_event(double wall_time, std::int64_t step,
                                        const Scalars& scalars);
[[nodiscard]] std::string image_event(double wall_time, std::int64_t step, std::string_view tag,
                                      const Png& png);
[[nodiscard]] std::string text_event(double wall_time, std::int64_t step, std::string_view tag,
                                     std::string_view markdown);

// Fields of an existing event that a resume needs.
struct EventContent {
  std::int64_t step = 0;
  std::vector<std::string> tags;  // tags of its summary; empty: no summary
  std::string text;               // its last text
};
[[nodiscard]] EventContent read_event(std::string_view event);

}  // namespace valley
