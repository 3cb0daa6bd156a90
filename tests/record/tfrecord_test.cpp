#include "record/tfrecord.h"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "core/error.h"
#include "hex.h"
#include "support/put_file.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> records_of(RecordReader& reader) {
  std::vector<std::string> records;
  while (auto record = reader.next()) records.push_back(std::move(*record));
  return records;
}

// Written by RecordWriter of the `tensorboard` package 2.21.
TEST(FrameRecord, IsThatOfTensorBoard) {
  EXPECT_EQ(hex(frame_record("")), "000000000000000029039807d8ea82a2");
  EXPECT_EQ(hex(frame_record("123456789")), "090000000000000037f97139313233343536373839e5b08ac7");
}

class RecordReaderTest : public ::testing::Test {
 protected:
  // Records of a file that holds `bytes`; reading must end within `whole` bytes.
  std::vector<std::string> read(const std::string& bytes, std::uint64_t whole) {
    put_file(folder_ / "file", bytes);
    RecordReader reader(folder_ / "file");
    auto records = records_of(reader);
    EXPECT_EQ(reader.position(), whole);
    EXPECT_EQ(reader.file_size(), bytes.size());
    return records;
  }

  const TemporaryFolder folder_;
  const std::string large_ = std::string(100'000, 'x');
  const std::vector<std::string> two_ = {"a", large_};
  const std::string kept_ = frame_record("a") + frame_record(large_);
};

TEST_F(RecordReaderTest, ReadsFramedRecords) {
  EXPECT_EQ(read(kept_ + frame_record(""), kept_.size() + 16),
            (std::vector<std::string>{"a", large_, ""}));
  EXPECT_TRUE(read("", 0).empty());
}

TEST_F(RecordReaderTest, EndsBeforeATruncatedRecord) {
  const std::string last = frame_record("the last");
  for (std::size_t n = 1; n < last.size(); ++n)
    EXPECT_EQ(read(kept_ + last.substr(0, n), kept_.size()), two_) << n;
}

TEST_F(RecordReaderTest, EndsBeforeARecordWithAFlippedBit) {
  const std::string last = frame_record("the last");
  for (std::size_t i = 0; i < last.size(); ++i) {
    std::string damaged = last;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_EQ(read(kept_ + damaged + frame_record("after"), kept_.size()), two_) << i;
  }
  EXPECT_EQ(read(kept_ + std::string(64, '\0'), kept_.size()), two_) << "blocks never filled";
}

TEST_F(RecordReaderTest, MissingFileIsNamed) {
  try {
    const RecordReader reader(folder_ / "absent");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kMissingInput);
    EXPECT_NE(std::string(error.what()).find("absent"), std::string::npos);
  }
}

}  // namespace
}  // namespace valley
