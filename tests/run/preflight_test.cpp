#include "run/preflight.h"

#include <ATen/ops/empty.h>
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>

#include "plan/memory_check.h"
#include "support/temporary_folder.h"

namespace valley {
namespace {

std::int64_t more(std::int64_t every, std::int64_t keep, std::int64_t first, std::int64_t steps,
                  std::int64_t present) {
  return checkpoint_need(100, {.every = every, .keep = keep}, first, steps, present).more;
}

TEST(CheckpointNeed, CountsCheckpointsBeyondThoseOnDisk) {
  EXPECT_EQ(more(10, 3, 0, 1000, 0), 4);  // three kept, one being written
  EXPECT_EQ(more(10, 3, 500, 1000, 3), 1);
  EXPECT_EQ(more(10, 3, 500, 1000, 1), 3);
  EXPECT_EQ(more(10, 3, 500, 1000, 7), 1);  // from a larger keep
  EXPECT_EQ(more(10, 3, 0, 20, 0), 2);      // a short training writes fewer
  EXPECT_EQ(more(10, 3, 0, 25, 0), 3);      // the last one is always written
  EXPECT_EQ(more(1000, 3, 0, 5, 0), 1);
  EXPECT_EQ(more(10, 3, 20, 20, 2), 0);
  EXPECT_EQ(more(10, 3, 30, 20, 2), 0);
  EXPECT_EQ(more(10, 0, 0, 1000, 0), 100);
  EXPECT_TRUE(checkpoint_need(100, {.every = 10, .keep = 0}, 0, 1000, 0).keeps_all);
}

TEST(CheckpointSpace, TooLittleSpaceIsRejectedWithFolderAndBytes) {
  const TemporaryFolder folder;
  const auto place = folder.path() / "not/made/yet";
  EXPECT_NO_THROW(require_checkpoint_space(place, {1000, 4, false}));
  constexpr std::int64_t kHuge = std::int64_t{1} << 60;
  try {
    require_checkpoint_space(place, {kHuge, 4, false});
    ADD_FAILURE() << "no disk has that much space";
  } catch (const Error& error) {
    const std::string what = error.what();
    EXPECT_EQ(error.code(), ExitCode::kCannotWrite);
    EXPECT_NE(what.find(place.string()), std::string::npos) << what;
    EXPECT_NE(what.find("4 checkpoints of 1152921504606846976 bytes, 4611686018427387904 bytes"),
              std::string::npos)
        << what;
  }
  EXPECT_NO_THROW(require_checkpoint_space(place, {kHuge, 0, false}));
  EXPECT_NO_THROW(require_checkpoint_space(place, {1000, kHuge, true}));
  EXPECT_THROW(require_checkpoint_space(place, {kHuge, 1, true}), Error);
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "not"));
}

constexpr std::int64_t kGibibyte = std::int64_t{1} << 30;

MemoryPlan memory_of(std::int64_t parameters, std::int64_t per_image) {
  MemoryPlan memory;
  memory.parameters = parameters * kGibibyte;
  memory.per_image = per_image * kGibibyte;
  return memory;
}

TEST(MemoryCheck, WarningNamesASmallerMicrobatchIfOneFits) {
  const MicrobatchPlan six = plan_microbatches(12, 6, 1, false);
  const MicrobatchPlan one = plan_microbatches(12, 1, 1, false);
  EXPECT_FALSE(memory_warning(memory_of(1, 1), six, false, 7 * kGibibyte));
  const auto warning = memory_warning(memory_of(1, 1), six, false, 6 * kGibibyte);
  ASSERT_TRUE(warning);
  EXPECT_NE(warning->find("set train.microbatch=3"), std::string::npos) << *warning;
  const auto none = memory_warning(memory_of(1, 9), one, true, 6 * kGibibyte);
  ASSERT_TRUE(none);
  EXPECT_NE(none->find("no train.microbatch fits"), std::string::npos) << *none;
  EXPECT_NE(none->find("model.width"), std::string::npos) << *none;

  EXPECT_NO_THROW(require_parameters_fit(memory_of(4, 1), 4 * kGibibyte));
  EXPECT_THROW(require_parameters_fit(memory_of(5, 1), 4 * kGibibyte), Error);
}

TEST(MemoryCheck, OutOfMemoryErrorNamesTheNextSmallerMicrobatch) {
  const auto fail = []() -> int { throw std::bad_alloc(); };
  try {
    with_memory_advice(memory_of(1, 1), plan_microbatches(12, 6, 1, false), fail);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kOutOfMemory);
    EXPECT_NE(std::string(error.what()).find("set train.microbatch=3"), std::string::npos)
        << error.what();
  }
  const auto other = []() -> int { throw std::logic_error("a bug"); };
  EXPECT_THROW(with_memory_advice({}, plan_microbatches(12, 6, 1, false), other), std::logic_error);
  EXPECT_EQ(with_memory_advice({}, plan_microbatches(12, 6, 1, false), [] { return 7; }), 7);
}

TEST(MemoryCheck, HostAllocatorErrorIsRecognized) {
  // More than any address space.
  try {
    static_cast<void>(at::empty({std::int64_t{1} << 58}, at::kByte));
    ADD_FAILURE();
  } catch (const std::exception& error) {
    const auto text = out_of_memory_text(error);
    ASSERT_TRUE(text) << error.what();
    EXPECT_EQ(text->find('\n'), std::string::npos) << *text;
  }
}

TEST(MemoryCheck, CudaLibraryErrorsAreRecognized) {
  const auto text_of = [](const std::string& what) {
    return out_of_memory_text(c10::Error({__func__, __FILE__, __LINE__}, what));
  };
  for (const char* what :
       {"CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "CUDA error: CURAND_STATUS_ALLOCATION_FAILED"}) {
    const auto text = text_of(what);
    ASSERT_TRUE(text) << what;
    EXPECT_EQ(text->find("out of GPU memory: "), 0U);
    EXPECT_EQ(text->find('\n'), std::string::npos) << *text;
  }
  EXPECT_FALSE(text_of("CUDA error: an illegal memory access was encountered"));
  EXPECT_FALSE(text_of("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"));
}

}  // namespace
}  // namespace valley
