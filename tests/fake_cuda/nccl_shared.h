// Shared memory of the fake NCCL's ranks, and reductions of its data.
#pragma once

#include <nccl.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace valley::fake {

inline constexpr std::size_t kChunk = std::size_t{64} << 10;  // bytes
inline constexpr int kMaxRanks = 8;

enum class Kind { kNone, kAllReduce, kBroadcast, kAllGather };
inline constexpr const char* kNames[] = {"", "NCCL all-reduce", "NCCL broadcast",
                                         "NCCL all-gather"};

struct Call {
  Kind kind;
  std::size_t count;
  ncclDataType_t type;
  ncclRedOp_t op;
  int root;
};

inline bool operator==(const Call& a, const Call& b) {
  return a.kind == b.kind && a.count == b.count && a.type == b.type && a.op == b.op &&
         a.root == b.root;
}

// Data that one rank publishes to all others.
struct Place {
  std::atomic<int> process;  // process id; 0 before it has joined
  int device;
  char host_id[64];  // NCCL_HOSTID
  Call call;
  alignas(16) char data[kChunk];
};

// Point-to-point buffer between two ranks: one chunk at a time.
struct Mailbox {
  std::atomic<int> is_full;
  std::size_t bytes;
  alignas(16) char data[kChunk];
};

struct Shared {
  std::atomic<int> arrived;
  std::atomic<int> round;
  Place places[kMaxRanks];
  Mailbox mail[kMaxRanks][kMaxRanks];  // from, to
};

struct Transfer {
  bool sends;
  const char* from;
  char* to;
  std::size_t bytes;
  int peer;
  std::size_t done = 0;
};

inline std::size_t size_of(ncclDataType_t type) {
  switch (type) {
    case ncclFloat64:
    case ncclInt64:
    case ncclUint64:
      return 8;
    case ncclFloat32:
    case ncclInt32:
    case ncclUint32:
      return 4;
    default:
      return 1;
  }
}

template <typename T>
void reduce(ncclRedOp_t op, T* out, const T* in, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    out[i] = op == ncclMin   ? std::min(out[i], in[i])
             : op == ncclMax ? std::max(out[i], in[i])
                             : out[i] + in[i];
}

inline void reduce(const Call& call, char* out, const char* in, std::size_t bytes) {
  const auto as = [&]<typename T>(T) {
    reduce(call.op, reinterpret_cast<T*>(out), reinterpret_cast<const T*>(in), bytes / sizeof(T));
  };
  switch (call.type) {
    case ncclFloat64:
      return as(double{});
    case ncclFloat32:
      return as(float{});
    case ncclInt64:
      return as(std::int64_t{});
    case ncclInt32:
      return as(std::int32_t{});
    default:
      return as(std::uint8_t{});
  }
}

}  // namespace valley::fake
