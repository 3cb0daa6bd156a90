#include "evaluate/blocks.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/error.h"
#include "core/progress_count.h"

namespace valley {
namespace {

void run_units(const Team& team, const std::string& task, const Share& share, int threads,
               const std::function<void(std::int64_t)>& work) {
  std::atomic<std::int64_t> done = 0;
  for_each_on_threads(share.first, share.last, threads, [&](std::int64_t unit) {
    work(unit);
    count_progress();
    const std::int64_t finished = ++done;
    if (team.progress && !task.empty())
      team.progress(task, static_cast<double>(finished) / static_cast<double>(share.count()));
  });
}

}  // namespace

Share compute_share(std::int64_t units, int rank, int size) {
  const std::int64_t each = (units + size - 1) / size;
  return {std::min(units, rank * each), std::min(units, (rank + 1) * each)};
}

void for_each_unit(const Team& team, const std::string& task, const Share& share,
                   const std::function<void(std::int64_t)>& work) {
  run_units(team, task, share, team.threads, work);
}

void for_each_unit_in_order(const Team& team, const std::string& task, const Share& share,
                            const std::function<void(std::int64_t)>& work) {
  run_units(team, task, share, 1, work);
}

at::Tensor gather_rows(const Team& team, const at::Tensor& own, std::int64_t unit_rows,
                       std::int64_t rows) {
  if (team.ranks->size() == 1) return own;
  const std::int64_t units = (rows + unit_rows - 1) / unit_rows;
  const std::int64_t max_rows = compute_share(units, 0, team.ranks->size()).last * unit_rows;
  std::vector<std::int64_t> shape = own.sizes().vec();
  VALLEY_CHECK(shape[0] <= max_rows);
  shape[0] = max_rows;
  at::Tensor padded = own;
  if (own.size(0) < max_rows) {
    padded = at::zeros(shape, own.options());
    padded.narrow(0, 0, own.size(0)).copy_(own);
  }
  shape.insert(shape.begin(), team.ranks->size());
  const at::Tensor all = at::empty(shape, own.options());
  team.ranks->all_gather(padded, all)->wait();
  return all.flatten(0, 1).narrow(0, 0, rows).contiguous();
}

std::int64_t count_blocks(std::int64_t images) {
  return (images + kBlockImages - 1) / kBlockImages;
}

std::int64_t images_in_block(std::int64_t images, std::int64_t block) {
  return std::min(kBlockImages, images - block * kBlockImages);
}

}  // namespace valley
