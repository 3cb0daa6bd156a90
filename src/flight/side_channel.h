// Lines of text between the ranks of a job and a monitor, over TCP: a channel that works when MPI
// and NCCL do not.
//
// Both sides prove that they know the job's token (HMAC-SHA256 over values that each side chooses),
// so that no other process can report or be reported to. Nothing is encrypted: lines hold step
// numbers and sizes, not data. A connection that does not authenticate within kHandshakeSeconds, or
// sends too long a line, is closed; at most kMaxStrangers of them are open at a time.
#pragma once

#include <poll.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace valley {

inline constexpr double kHandshakeSeconds = 5;
inline constexpr std::size_t kMaxStrangers = 16;
inline constexpr std::size_t kMaxLine = 256 * 1024;

// A random secret, 64 hexadecimal digits.
[[nodiscard]] std::string make_token();

// HMAC-SHA256 (RFC 2104), 64 hexadecimal digits.
[[nodiscard]] std::string hmac_sha256(const std::string& key, const std::string& message);

// IPv4 addresses of this host that are up, the loopback address last.
[[nodiscard]] std::vector<std::string> own_addresses();

// A socket that is closed at the end.
class Socket {
 public:
  explicit Socket(int descriptor = -1) : descriptor_(descriptor) {}
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  void close();

 private:
  int descriptor_;
};

// Lines over a socket that does not block.
class LineConnection {
 public:
  explicit LineConnection(Socket socket) : socket_(std::move(socket)) {}
  [[nodiscard]] int descriptor() const { return socket_.get(); }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  void close() { socket_.close(); }
  void limit_line(std::size_t bytes) { longest_ = bytes; }

  void send(const std::string& line);  // without its newline; queued if the socket is full
  void flush();
  void add_waits(std::vector<::pollfd>& waits) const;
  // Lines that have arrived. Closes on the end of the stream, an error or too long a line.
  [[nodiscard]] std::vector<std::string> receive();

 private:
  Socket socket_;
  std::string in_;
  std::string out_;
  std::size_t longest_ = kMaxLine;
};

// Ends a wait from another thread.
class WakeUp {
 public:
  WakeUp();
  void call() const;
  void add_waits(std::vector<::pollfd>& waits) const;

 private:
  Socket event_;
};

// Waits for up to `seconds` for one of `waits`.
void wait_for(std::vector<::pollfd>& waits, double seconds);

struct ChannelEvent {
  enum class Kind { kJoined, kLine, kClosed };
  Kind kind;
  int rank;
  std::string line;
};

class SideChannelServer {
 public:
  // Listens on a port that the system chooses, on each of `addresses`. Error kRankLost if none
  // works.
  SideChannelServer(const std::vector<std::string>& addresses, std::string token, int ranks);
  // "10.0.0.1:4711" for each address.
  [[nodiscard]] std::vector<std::string> endpoints() const;

  // Waits for up to `seconds` for something to happen.
  [[nodiscard]] std::vector<ChannelEvent> poll(double seconds);
  // Adds what `poll` waits for, to wait for several things at a time.
  void add_waits(std::vector<::pollfd>& waits) const;
  void send(int rank, const std::string& line);
  void send_all(const std::string& line);
  // Refused connections so far.
  [[nodiscard]] std::int64_t refused() const { return refused_; }

 private:
  struct Listener {
    std::string address;
    Socket socket;
  };
  struct Stranger {
    LineConnection connection;
    std::string challenge;
    double since = 0;
  };
  void accept_from(const Listener& listener);
  void greet(std::vector<ChannelEvent>& events);

  std::string token_;
  int ranks_;
  std::vector<Listener> listeners_;
  std::vector<Stranger> strangers_;
  std::map<int, LineConnection> members_;
  std::int64_t refused_ = 0;
};

class SideChannelClient {
 public:
  // Tries `endpoints` in turn. Error kRankLost naming them if none is the monitor of this job.
  SideChannelClient(const std::vector<std::string>& endpoints, const std::string& token, int rank);

  void send(const std::string& line) { connection_->send(line); }
  // Waits for up to `seconds` for lines.
  [[nodiscard]] std::vector<std::string> poll(double seconds);
  void add_waits(std::vector<::pollfd>& waits) const;  // nothing if it is closed
  [[nodiscard]] bool is_open() const { return connection_->is_open(); }

 private:
  std::unique_ptr<LineConnection> connection_;
};

}  // namespace valley
