// TensorBoard's events, as protocol buffers: what event.proto, summary.proto and tensor.proto of
// the `tensorboard` package call Event, SessionLog, Summary and TensorProto. In the forms that both
// its readers and Python's EventAccumulator take without conversion: scalars as simple_value,
// pictures as Summary.Image, text as a string tensor of the text plugin.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "record/image_grid.h"

namespace valley {

using Scalars = std::vector<std::pair<std::string, double>>;  // tags and values

// `wall_time`: seconds since 1970. Values are rounded to float32, which is what the format has.
[[nodiscard]] std::string version_event(double wall_time);  // the first of every file
// A reader that has read events of this step and later ones forgets them.
[[nodiscard]] std::string start_event(double wall_time, std::int64_t step);
[[nodiscard]] std::string scalars_event(double wall_time, std::int64_t step,
                                        const Scalars& scalars);
[[nodiscard]] std::string image_event(double wall_time, std::int64_t step, std::string_view tag,
                                      const Png& png);
[[nodiscard]] std::string text_event(double wall_time, std::int64_t step, std::string_view tag,
                                     std::string_view markdown);

// What a resume needs to know of an event written before.
struct EventContent {
  std::int64_t step = 0;
  std::vector<std::string> tags;  // of its summary; none: it has no summary
  std::string text;               // of its last text
};
[[nodiscard]] EventContent read_event(std::string_view event);

}  // namespace valley
