// The contract of communicator.h, the same for every backend: alone (self), under mpirun (MPI), and
// where there are GPUs, self on a GPU and NCCL. All sums are exactly known.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "comm/backend.h"
#include "comm/mpi_communicator.h"
#include "ranked_test.h"

namespace valley {
namespace {

using testing::world;

constexpr at::ScalarType kTypes[] = {at::kFloat, at::kDouble, at::kLong, at::kInt, at::kByte};

// Element i of rank r's tensor: small enough that eight ranks' sum fits a byte, different on every
// rank, with minimum and maximum on different ranks, and with a period that does not divide a
// chunk, so that a misplaced chunk is detected.
constexpr std::int64_t kPeriod = 13;
std::int64_t element(int rank, std::int64_t i) { return (rank * 5 + i * 3) % kPeriod; }

at::Tensor pattern(const std::function<std::int64_t(std::int64_t)>& value, std::int64_t n,
                   at::ScalarType type) {
  const at::Tensor period = at::empty({kPeriod}, at::kLong);
  for (std::int64_t i = 0; i < kPeriod; ++i) period.mutable_data_ptr<std::int64_t>()[i] = value(i);
  return period.to(type).repeat({n / kPeriod + 1}).narrow(0, 0, n).clone();
}

std::int64_t reduced(ReduceOp op, int ranks, std::int64_t i) {
  std::int64_t result = element(0, i);
  for (int r = 1; r < ranks; ++r) {
    const std::int64_t next = element(r, i);
    if (op == ReduceOp::kSum) result += next;
    if (op == ReduceOp::kMin) result = std::min(result, next);
    if (op == ReduceOp::kMax) result = std::max(result, next);
  }
  return result;
}

std::vector<std::int64_t> sizes(at::ScalarType type) {
  const std::int64_t chunk = kMpiChunkBytes / static_cast<std::int64_t>(at::elementSize(type));
  return {0, 1, 1000, chunk - 1, chunk, chunk + 1, 2 * chunk + 777};
}

std::vector<std::int64_t> fewer_sizes(at::ScalarType type) {
  return {1000, kMpiChunkBytes / static_cast<std::int64_t>(at::elementSize(type)) + 1};
}

// "host": CPU tensors. "device": the tensors of gradients. "nccl alone": NCCL on one rank.
class Contract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string kind = GetParam();
    const bool has_gpu = world().device().device().is_cuda();
    if (kind != "host" && !has_gpu) GTEST_SKIP() << "no GPU for each rank";
    if (kind == "nccl alone" && world().size() > 1) GTEST_SKIP() << "\"device\" is NCCL already";
    if (kind == "nccl alone") {
      alone_ =
          make_gpu_communicator(world().host(), world().device().device().index(), kRankTimeout);
    }
    comm_ = alone_ ? alone_.get() : kind == "device" ? &world().device() : &world().host();
  }

  [[nodiscard]] at::Tensor mine(std::int64_t n, at::ScalarType type) const {
    return pattern([&](std::int64_t i) { return element(comm_->rank(), i); }, n, type)
        .to(comm_->device());
  }

  std::unique_ptr<Communicator> alone_;
  Communicator* comm_ = nullptr;
};

TEST_P(Contract, ReportsRankAndSize) {
  EXPECT_EQ(comm_->rank(), launch_info().rank);
  EXPECT_EQ(comm_->size(), launch_info().size);
  EXPECT_EQ(comm_->local_rank(), comm_->rank());  // these tests run on one host
  EXPECT_EQ(comm_->local_size(), comm_->size());
  if (std::string(GetParam()) == "host") {
    EXPECT_EQ(comm_->name(), launch_info().launched ? "mpi" : "self");
  }
  EXPECT_NO_THROW(comm_->check_health());
}

void expect_reduced(Communicator& comm, const at::Tensor& t, ReduceOp op) {
  const at::ScalarType type = t.scalar_type();
  const at::Tensor expected =
      pattern([&](std::int64_t i) { return reduced(op, comm.size(), i); }, t.numel(), type);
  comm.all_reduce(t, op)->wait();
  EXPECT_TRUE(at::equal(t.cpu(), expected))
      << at::toString(type) << " n " << t.numel() << " op " << static_cast<int>(op);
}

TEST_P(Contract, AllReduceGivesExactlyKnownSums) {
  for (const at::ScalarType type : kTypes) {
    for (const std::int64_t n : sizes(type)) expect_reduced(*comm_, mine(n, type), ReduceOp::kSum);
  }
}

TEST_P(Contract, AllReduceGivesMinAndMax) {
  for (const at::ScalarType type : kTypes) {
    for (const std::int64_t n : fewer_sizes(type)) {
      expect_reduced(*comm_, mine(n, type), ReduceOp::kMin);
      expect_reduced(*comm_, mine(n, type), ReduceOp::kMax);
    }
  }
}

TEST_P(Contract, TreeReduceGivesExactlyKnownSums) {
  if ((comm_->size() & (comm_->size() - 1)) != 0) {
    const at::Tensor t = mine(10, at::kFloat);
    EXPECT_THROW(static_cast<void>(comm_->tree_reduce(t)), std::logic_error);
    return;
  }
  for (const at::ScalarType type : kTypes) {
    for (const std::int64_t n : sizes(type)) {
      const at::Tensor t = mine(n, type);
      comm_->tree_reduce(t)->wait();
      const at::Tensor expected = pattern(
          [&](std::int64_t i) { return reduced(ReduceOp::kSum, comm_->size(), i); }, n, type);
      EXPECT_TRUE(at::equal(t.cpu(), expected)) << at::toString(type) << " n " << n;
    }
  }
}

TEST_P(Contract, TreeReduceOfAnyTypeAfterAnother) {
  if ((comm_->size() & (comm_->size() - 1)) != 0) GTEST_SKIP() << "no power of two";
  const auto sum = [&](std::int64_t i) { return reduced(ReduceOp::kSum, comm_->size(), i); };
  for (const auto& [type, n] : {std::pair{at::kByte, 1001}, {at::kDouble, 17}, {at::kInt, 2003}}) {
    const at::Tensor t = mine(n, type);
    comm_->tree_reduce(t)->wait();
    EXPECT_TRUE(at::equal(t.cpu(), pattern(sum, n, type))) << at::toString(type);
  }
}

TEST_P(Contract, DenseTensorsOfAnyStridesAreReducedInPlace) {
  const at::Tensor flat = mine(2 * 3 * 4 * 5, at::kFloat);
  const at::Tensor images = flat.reshape({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor view_of_part = mine(100, at::kFloat).narrow(0, 10, 20);
  comm_->all_reduce(images, ReduceOp::kSum)->wait();
  comm_->all_reduce(view_of_part, ReduceOp::kSum)->wait();
  EXPECT_TRUE(images.is_contiguous(at::MemoryFormat::ChannelsLast));
  const at::Tensor expected = pattern(
      [&](std::int64_t i) { return reduced(ReduceOp::kSum, comm_->size(), i); }, 120, at::kFloat);
  EXPECT_TRUE(at::equal(images.cpu().contiguous().reshape({120}), expected));
  EXPECT_TRUE(at::equal(view_of_part.cpu(), expected.narrow(0, 10, 20)));
}

TEST_P(Contract, BroadcastFromEachRootMovesAnyType) {
  constexpr at::ScalarType kMoved[] = {at::kFloat, at::kBFloat16, at::kBool, at::kLong};
  for (int root = 0; root < comm_->size(); ++root) {
    for (const at::ScalarType type : kMoved) {
      for (const std::int64_t n : root == 0 ? sizes(type) : fewer_sizes(type)) {
        const at::Tensor t = mine(n, type);
        comm_->broadcast(t, root)->wait();
        const at::Tensor expected =
            pattern([&](std::int64_t i) { return element(root, i); }, n, type);
        EXPECT_TRUE(at::equal(t.cpu(), expected))
            << at::toString(type) << " n " << n << " root " << root;
      }
    }
  }
}

TEST_P(Contract, AllGatherKeepsTheOrderOfRanks) {
  for (const at::ScalarType type : {at::kDouble, at::kBFloat16, at::kByte}) {
    for (const std::int64_t n : sizes(type)) {
      const at::Tensor out =
          at::full({comm_->size(), n}, 77, at::TensorOptions(comm_->device()).dtype(type));
      comm_->all_gather(mine(n, type), out)->wait();
      for (int r = 0; r < comm_->size(); ++r) {
        const at::Tensor expected = pattern([&](std::int64_t i) { return element(r, i); }, n, type);
        EXPECT_TRUE(at::equal(out[r].cpu(), expected))
            << at::toString(type) << " n " << n << " row " << r;
      }
    }
  }
}

TEST_P(Contract, CollectivesQueuedInARowSeeEachOthersResults) {
  const at::Tensor t = mine(1000, at::kLong);
  auto first = comm_->all_reduce(t, ReduceOp::kSum);
  auto second = comm_->all_reduce(t, ReduceOp::kSum);
  first->wait();
  second->wait();
  const at::Tensor expected = pattern(
      [&](std::int64_t i) { return comm_->size() * reduced(ReduceOp::kSum, comm_->size(), i); },
      1000, at::kLong);
  EXPECT_TRUE(at::equal(t.cpu(), expected));
}

TEST_P(Contract, BarrierWaitsForTheLastRank) {
  // Ranks of one host share the steady clock.
  const auto now = [] {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  for (int late = 0; late < comm_->size(); ++late) {
    if (comm_->rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const at::Tensor came = at::full({1}, now(), at::kLong);
    comm_->barrier();
    const at::Tensor went = at::full({1}, now(), at::kLong);
    world().host().all_reduce(came, ReduceOp::kMax)->wait();
    world().host().all_reduce(went, ReduceOp::kMin)->wait();
    EXPECT_GE(went.item<std::int64_t>(), came.item<std::int64_t>()) << "late " << late;
  }
}

TEST_P(Contract, RejectsInvalidTensors) {
  const auto on_device = at::TensorOptions(comm_->device());
  const at::Tensor strided = at::zeros({8, 8}, on_device).slice(1, 0, 8, 2);
  const at::Tensor elsewhere = at::empty({4}, at::TensorOptions(at::kMeta));
  const at::Tensor bf16 = at::zeros({4}, on_device.dtype(at::kBFloat16));
  const at::Tensor good = at::zeros({4}, on_device);
  const auto sum = [&](const at::Tensor& t) {
    static_cast<void>(comm_->all_reduce(t, ReduceOp::kSum));
  };
  EXPECT_THROW(sum(strided), std::logic_error);
  EXPECT_THROW(sum(elsewhere), std::logic_error);
  EXPECT_THROW(sum(bf16), std::logic_error);
  EXPECT_THROW(sum(at::Tensor()), std::logic_error);
  EXPECT_THROW(static_cast<void>(comm_->tree_reduce(bf16)), std::logic_error);
  EXPECT_THROW(static_cast<void>(comm_->broadcast(good, comm_->size())), std::logic_error);
  EXPECT_THROW(static_cast<void>(comm_->broadcast(good, -1)), std::logic_error);
  const auto gather = [&](const at::Tensor& in, const at::Tensor& out) {
    static_cast<void>(comm_->all_gather(in, out));
  };
  EXPECT_THROW(gather(good, at::zeros({comm_->size(), 5}, on_device)), std::logic_error);
  EXPECT_THROW(gather(good, at::zeros({comm_->size() + 1, 4}, on_device)), std::logic_error);
  EXPECT_THROW(gather(good, at::zeros({comm_->size(), 4}, on_device.dtype(at::kInt))),
               std::logic_error);
  EXPECT_THROW(
      gather(at::zeros({2, 2}, on_device).t(), at::zeros({comm_->size(), 2, 2}, on_device)),
      std::logic_error);
}

INSTANTIATE_TEST_SUITE_P(Backends, Contract, ::testing::Values("host", "device", "nccl alone"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

}  // namespace
}  // namespace valley
