// Order of additions of tree_reduce: bitwise equal to one binary tree over all leaves, for any
// number of ranks.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "comm/mpi_communicator.h"
#include "core/philox.h"
#include "ranked_test.h"

namespace valley {
namespace {

using testing::world;

constexpr int kLeaves = 8;

// Values of both signs over thirty binary orders of magnitude: any other order of additions changes
// the rounding.
at::Tensor leaf(int index, std::int64_t n) {
  at::Tensor t = at::empty({n}, at::kFloat);
  auto* data = t.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < n; ++i) {
    const PhiloxBlock draw =
        philox(1, static_cast<std::uint32_t>(index), static_cast<std::uint64_t>(i), 0);
    const float mantissa = uniform01(draw.word[0]) - 0.5F;
    data[i] = std::ldexp(mantissa, static_cast<int>(draw.word[1] % 30U) - 15);
  }
  return t;
}

at::Tensor tree_sum(std::vector<at::Tensor> level) {
  while (level.size() > 1) {
    std::vector<at::Tensor> next;
    for (std::size_t i = 0; i < level.size(); i += 2) next.push_back(level[i].add(level[i + 1]));
    level = std::move(next);
  }
  return level[0];
}

std::vector<at::Tensor> leaves(int first, int count, std::int64_t n) {
  std::vector<at::Tensor> result;
  for (int i = first; i < first + count; ++i) result.push_back(leaf(i, n));
  return result;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.nbytes() == b.nbytes() &&
         std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
}

class TreeReduce : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::has_single_bit(static_cast<unsigned>(world().size()))) {
      GTEST_SKIP() << "only powers of two of ranks share a tree";
    }
  }
};

TEST_F(TreeReduce, HasTheBitsOfOneTreeOverAllLeaves) {
  Communicator& comm = world().device();
  const int share = kLeaves / comm.size();
  const std::int64_t chunk = kMpiChunkBytes / 4;
  for (const std::int64_t n : {std::int64_t{1}, std::int64_t{1000}, 2 * chunk + 3}) {
    const at::Tensor mine = tree_sum(leaves(comm.rank() * share, share, n)).to(comm.device());
    comm.tree_reduce(mine)->wait();
    EXPECT_TRUE(same_bits(mine.cpu(), tree_sum(leaves(0, kLeaves, n)))) << "n " << n;
  }
}

TEST_F(TreeReduce, WouldDifferInAnyOtherOrder) {
  const std::vector<at::Tensor> all = leaves(0, kLeaves, 1000);
  at::Tensor linear = all[0].clone();
  for (std::size_t i = 1; i < all.size(); ++i) linear.add_(all[i]);
  EXPECT_FALSE(same_bits(linear, tree_sum(all)));

  // Partners at the wrong distance: (0 + 4) + ... and not (0 + 1) + ...
  const std::vector<at::Tensor> crossed = {all[0], all[4], all[2], all[6],
                                           all[1], all[5], all[3], all[7]};
  EXPECT_FALSE(same_bits(tree_sum(crossed), tree_sum(all)));
}

TEST_F(TreeReduce, DoesNotDependOnTheChunkSize) {
  if (!launch_info().launched) GTEST_SKIP() << "not under mpirun: there is no MPI to send chunks";
  const int share = kLeaves / world().size();
  const at::Tensor expected = tree_sum(leaves(0, kLeaves, 1001));
  for (const std::int64_t chunk_bytes : {16, 1000, 4004, 1 << 20}) {
    const auto comm = make_mpi_communicator(chunk_bytes);
    const at::Tensor mine = tree_sum(leaves(comm->rank() * share, share, 1001));
    comm->tree_reduce(mine)->wait();
    EXPECT_TRUE(same_bits(mine, expected)) << "chunk " << chunk_bytes;
  }
}

}  // namespace
}  // namespace valley
