#include "comm/mpi_communicator.h"

#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <vector>

#include "comm/check.h"
#include "comm/tensor_check.h"
#include "comm/world.h"
#include "core/error.h"
#include "core/log.h"

namespace valley {
namespace {

constexpr int kTreeTag = 1;

MPI_Datatype mpi_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return MPI_FLOAT;
    case at::kDouble:
      return MPI_DOUBLE;
    case at::kLong:
      return MPI_INT64_T;
    case at::kInt:
      return MPI_INT32_T;
    case at::kByte:
      return MPI_UINT8_T;
    default:
      VALLEY_CHECK(!"a type that check_reducible accepts");
      return MPI_DATATYPE_NULL;
  }
}

MPI_Op mpi_op(ReduceOp op) {
  switch (op) {
    case ReduceOp::kMin:
      return MPI_MIN;
    case ReduceOp::kMax:
      return MPI_MAX;
    default:
      return MPI_SUM;
  }
}

template <typename T>
void add(void* sum, const void* other, std::int64_t count) {
  auto* a = static_cast<T*>(sum);
  const auto* b = static_cast<const T*>(other);
  for (std::int64_t i = 0; i < count; ++i) a[i] = static_cast<T>(a[i] + b[i]);
}

using Add = void (*)(void*, const void*, std::int64_t);
Add adder(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return add<float>;
    case at::kDouble:
      return add<double>;
    case at::kLong:
      return add<std::int64_t>;
    case at::kInt:
      return add<std::int32_t>;
    default:
      return add<std::uint8_t>;
  }
}

std::byte* bytes_of(const at::Tensor& tensor) {
  return static_cast<std::byte*>(tensor.mutable_data_ptr());
}

// An MPI communicator; not freed during stack unwinding.
class Handle {
 public:
  Handle() = default;
  ~Handle() {
    if (value != MPI_COMM_NULL && std::uncaught_exceptions() == 0) MPI_Comm_free(&value);
  }
  Handle(Handle&&) = delete;
  Handle& operator=(Handle&&) = delete;

  MPI_Comm value = MPI_COMM_NULL;
};

class MpiCommunicator final : public Communicator {
 public:
  explicit MpiCommunicator(std::int64_t chunk_bytes) : chunk_bytes_(chunk_bytes) {
    CHECK_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm_.value));
    CHECK_MPI(MPI_Comm_set_errhandler(comm_.value, MPI_ERRORS_RETURN));
    CHECK_MPI(MPI_Comm_rank(comm_.value, &rank_));
    CHECK_MPI(MPI_Comm_size(comm_.value, &size_));
    Handle here;
    CHECK_MPI(
        MPI_Comm_split_type(comm_.value, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &here.value));
    CHECK_MPI(MPI_Comm_rank(here.value, &local_rank_));
    CHECK_MPI(MPI_Comm_size(here.value, &local_size_));
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  int local_size() const override { return local_size_; }
  at::Device device() const override { return at::kCPU; }
  std::string name() const override { return "mpi"; }

  std::unique_ptr<Work> all_reduce(const at::Tensor& tensor, ReduceOp op) override {
    check_reducible(*this, "all_reduce", tensor);
    const MPI_Datatype type = mpi_type(tensor.scalar_type());
    for_each_chunk(tensor, [&](std::byte* data, int count) {
      CHECK_MPI(MPI_Allreduce(MPI_IN_PLACE, data, count, type, mpi_op(op), comm_.value));
    });
    return std::make_unique<FinishedWork>();
  }

  // Both partners add the same two numbers, and a + b is b + a to the bit.
  std::unique_ptr<Work> tree_reduce(const at::Tensor& tensor) override {
    check_tree(*this, tensor);
    const MPI_Datatype type = mpi_type(tensor.scalar_type());
    const Add add_to = adder(tensor.scalar_type());
    scratch_.resize(static_cast<std::size_t>(chunk_bytes_));
    for_each_chunk(tensor, [&](std::byte* data, int count) {
      for (int distance = 1; distance < size_; distance *= 2) {
        const int partner = rank_ ^ distance;
        CHECK_MPI(MPI_Sendrecv(data, count, type, partner, kTreeTag, scratch_.data(), count, type,
                               partner, kTreeTag, comm_.value, MPI_STATUS_IGNORE));
        add_to(data, scratch_.data(), count);
      }
    });
    return std::make_unique<FinishedWork>();
  }

  std::unique_ptr<Work> broadcast(const at::Tensor& tensor, int root) override {
    check_broadcast(*this, tensor, root);
    broadcast_bytes(bytes_of(tensor), static_cast<std::int64_t>(tensor.nbytes()), root);
    return std::make_unique<FinishedWork>();
  }

  // Rows longer than a chunk are broadcast one by one: the counts of MPI_Allgather are ints, and
  // long rows are rare (checkpoints, not steps).
  std::unique_ptr<Work> all_gather(const at::Tensor& in, const at::Tensor& out) override {
    check_gather(*this, in, out);
    const auto row = static_cast<std::int64_t>(in.nbytes());
    std::byte* to = bytes_of(out);
    if (row <= chunk_bytes_) {
      const int count = static_cast<int>(row);
      CHECK_MPI(
          MPI_Allgather(in.const_data_ptr(), count, MPI_BYTE, to, count, MPI_BYTE, comm_.value));
      return std::make_unique<FinishedWork>();
    }
    std::memcpy(to + rank_ * row, in.const_data_ptr(), static_cast<std::size_t>(row));
    for (int root = 0; root < size_; ++root) broadcast_bytes(to + root * row, row, root);
    return std::make_unique<FinishedWork>();
  }

  void barrier() override { CHECK_MPI(MPI_Barrier(comm_.value)); }

  void abort(const std::string& why, int exit_code) override {
    log::error("{}: {}", this_rank(), why);
    abort_job(exit_code);
  }

 private:
  // Calls use(data, elements) for each chunk of the tensor's memory.
  template <typename Use>
  void for_each_chunk(const at::Tensor& tensor, Use use) const {
    const auto item = static_cast<std::int64_t>(tensor.element_size());
    const std::int64_t step = chunk_bytes_ / item;
    std::byte* data = bytes_of(tensor);
    for (std::int64_t done = 0; done < tensor.numel(); done += step) {
      use(data + done * item, static_cast<int>(std::min(step, tensor.numel() - done)));
    }
  }

  void broadcast_bytes(std::byte* data, std::int64_t total, int root) const {
    for (std::int64_t done = 0; done < total; done += chunk_bytes_) {
      const int count = static_cast<int>(std::min(chunk_bytes_, total - done));
      CHECK_MPI(MPI_Bcast(data + done, count, MPI_BYTE, root, comm_.value));
    }
  }

  Handle comm_;
  std::int64_t chunk_bytes_;
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  std::vector<std::byte> scratch_;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(std::int64_t chunk_bytes) {
  return std::make_unique<MpiCommunicator>(chunk_bytes);
}

}  // namespace valley
