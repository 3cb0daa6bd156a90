#include "record/event.h"

#include "record/protobuf.h"

namespace valley {
namespace {

// Field numbers and constants of tensorboard/compat/proto/{event,summary,tensor,types}.proto.
namespace event {
constexpr std::uint32_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr std::uint32_t kSessionStatus = 1;
constexpr std::uint64_t kStart = 1;
}  // namespace event
namespace summary {
constexpr std::uint32_t kValue = 1;
constexpr std::uint32_t kTag = 1, kSimpleValue = 2, kImage = 4, kTensor = 8, kMetadata = 9;
constexpr std::uint32_t kHeight = 1, kWidth = 2, kColorspace = 3, kEncodedImage = 4;
constexpr std::uint32_t kPluginData = 1, kPluginName = 1, kDataClass = 4;
constexpr std::uint64_t kDataClassTensor = 2;
}  // namespace summary
namespace tensor {
constexpr std::uint32_t kDtype = 1, kShape = 2, kStringValue = 8;
constexpr std::uint64_t kString = 7;
}  // namespace tensor

ProtoMessage begin_event(double wall_time, std::int64_t step) {
  ProtoMessage message;
  message.add_double(event::kWallTime, wall_time);
  if (step != 0) message.add_varint(event::kStep, static_cast<std::uint64_t>(step));
  return message;
}

std::string event_of_value(double wall_time, std::int64_t step, const ProtoMessage& value) {
  return begin_event(wall_time, step)
      .add_message(event::kSummary, ProtoMessage().add_message(summary::kValue, value))
      .bytes();
}

std::string text_of_tensor(std::string_view message) {
  std::string text;
  while (const auto field = next_field(message))
    if (field->number == tensor::kStringValue) text = field->bytes;
  return text;
}

void read_value(std::string_view value, EventContent& content) {
  while (const auto field = next_field(value)) {
    if (field->number == summary::kTag) content.tags.emplace_back(field->bytes);
    if (field->number == summary::kTensor) content.text = text_of_tensor(field->bytes);
  }
}

}  // namespace

std::string version_event(double wall_time) {
  return begin_event(wall_time, 0).add_bytes(event::kFileVersion, "brain.Event:2").bytes();
}

std::string start_event(double wall_time, std::int64_t step) {
  return begin_event(wall_time, step)
      .add_message(event::kSessionLog,
                   ProtoMessage().add_varint(event::kSessionStatus, event::kStart))
      .bytes();
}

std::string scalars_event(double wall_time, std::int64_t step, const Scalars& scalars) {
  ProtoMessage values;
  for (const auto& [tag, value] : scalars) {
    values.add_message(summary::kValue,
                       ProtoMessage()
                           .add_bytes(summary::kTag, tag)
                           .add_float(summary::kSimpleValue, static_cast<float>(value)));
  }
  return begin_event(wall_time, step).add_message(event::kSummary, values).bytes();
}

std::string image_event(double wall_time, std::int64_t step, std::string_view tag, const Png& png) {
  ProtoMessage image;
  image.add_varint(summary::kHeight, static_cast<std::uint64_t>(png.height))
      .add_varint(summary::kWidth, static_cast<std::uint64_t>(png.width))
      .add_varint(summary::kColorspace, static_cast<std::uint64_t>(png.channels))
      .add_bytes(summary::kEncodedImage, png.bytes);
  return event_of_value(
      wall_time, step,
      ProtoMessage().add_bytes(summary::kTag, tag).add_message(summary::kImage, image));
}

std::string text_event(double wall_time, std::int64_t step, std::string_view tag,
                       std::string_view markdown) {
  const ProtoMessage text = ProtoMessage()
                                .add_varint(tensor::kDtype, tensor::kString)
                                .add_message(tensor::kShape, {})
                                .add_bytes(tensor::kStringValue, markdown);
  const ProtoMessage metadata =
      ProtoMessage()
          .add_message(summary::kPluginData, ProtoMessage().add_bytes(summary::kPluginName, "text"))
          .add_varint(summary::kDataClass, summary::kDataClassTensor);
  return event_of_value(wall_time, step,
                        ProtoMessage()
                            .add_bytes(summary::kTag, tag)
                            .add_message(summary::kTensor, text)
                            .add_message(summary::kMetadata, metadata));
}

EventContent read_event(std::string_view message) {
  EventContent content;
  while (const auto field = next_field(message)) {
    if (field->number == event::kStep) content.step = static_cast<std::int64_t>(field->value);
    if (field->number != event::kSummary) continue;
    std::string_view values = field->bytes;
    while (const auto value = next_field(values))
      if (value->number == summary::kValue) read_value(value->bytes, content);
  }
  return content;
}

}  // namespace valley
