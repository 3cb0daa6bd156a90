// The expected bytes were written by the `tensorboard` package 2.21 (its event_pb2 and
// RecordWriter).
#include "record/event.h"

#include <gtest/gtest.h>

#include "hex.h"

namespace valley {
namespace {

constexpr double kTime = 1700000000.25;

TEST(Event, VersionAndStartAreThoseOfTensorBoard) {
  EXPECT_EQ(hex(version_event(kTime)), "0900001040fc54d9411a0d627261696e2e4576656e743a32");
  EXPECT_EQ(hex(start_event(kTime, 0)), "0900001040fc54d9413a020801");
}

TEST(Event, ScalarsAreThoseOfTensorBoard) {
  EXPECT_EQ(hex(scalars_event(kTime, 300, {{"loss/D", 0.5}, {"k", 0}})),
            "0900001040fc54d94110ac022a190a0d0a066c6f73732f44150000003f0a080a016b1500000000");
}

TEST(Event, ImageEqualsThatOfTensorBoard) {
  EXPECT_EQ(hex(image_event(kTime, 7, "samples/fakes", {"PNG", 2, 300, 3})),
            "0900001040fc54d94110072a1f0a1d0a0d73616d706c65732f66616b6573220c080210ac021803220350"
            "4e47");
}

TEST(Event, TextEqualsThatOfTensorBoard) {
  EXPECT_EQ(hex(text_event(kTime, 0, "config", "x = 1")),
            "0900001040fc54d9412a230a210a06636f6e666967420b08071200420578203d20314a0a0a060a04746578"
            "742002");
}

TEST(ReadEvent, FindsStepTagsAndText) {
  const EventContent scalars = read_event(scalars_event(kTime, 300, {{"a", 1}, {"b", 2}}));
  EXPECT_EQ(scalars.step, 300);
  EXPECT_EQ(scalars.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(scalars.text, "");
  EXPECT_EQ(read_event(image_event(kTime, 7, "picture", {"PNG", 2, 2, 1})).tags,
            std::vector<std::string>{"picture"});
  const EventContent text = read_event(text_event(kTime, 0, "config", "x = 1"));
  EXPECT_EQ(text.step, 0);
  EXPECT_EQ(text.tags, std::vector<std::string>{"config"});
  EXPECT_EQ(text.text, "x = 1");
  EXPECT_TRUE(read_event(version_event(kTime)).tags.empty());
  EXPECT_EQ(read_event(start_event(kTime, 12)).step, 12);
  EXPECT_TRUE(read_event("no event at all").tags.empty());
}

}  // namespace
}  // namespace valley
