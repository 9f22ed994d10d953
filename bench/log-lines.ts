/** Lines as training programs log them: times, numbers that repeat and numbers that do not. */
export function logLines(bytes: number): Buffer {
  const lines: string[] = [];
  for (let size = 0, step = 0; size < bytes; step += 1) {
    const at = new Date(1_760_000_000_000 + step * 137).toISOString().replace('T', ' ').slice(0, 23);
    const loss = (1 / (1 + step / 1000) + Math.random() / 100).toFixed(6);
    const speed = (12_000 + Math.random() * 500).toFixed(1);
    const line = `${at} INFO trainer: step ${step} loss=${loss} lr=1.0e-4 tokens/s=${speed} grad_norm=${Math.random().toFixed(4)}\n`;
    size += line.length;
    lines.push(line);
  }
  return Buffer.from(lines.join('')).subarray(0, bytes);
}
