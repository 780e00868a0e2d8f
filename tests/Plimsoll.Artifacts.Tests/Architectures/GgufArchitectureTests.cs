using System.Collections.Immutable;

namespace Plimsoll.Artifacts.Tests.Architectures;

public sealed class GgufArchitectureTests
{
    [Fact]
    public void A_quantised_llama_says_what_it_keeps_and_how_it_splits()
    {
        var weighed = Architecture.Weigh(Header(
        [
            ("general.architecture", "llama"), ("llama.block_count", "2"), ("llama.embedding_length", "256"), ("llama.feed_forward_length", "512"),
            ("llama.attention.head_count", "4"), ("llama.attention.head_count_kv", "2"), ("llama.context_length", "4096"),
            ("llama.rope.dimension_count", "64"), ("tokenizer.ggml.tokens.count", "1000"),
        ],
        [
            Tensor("token_embd.weight", "Q4_K", 144_000, 1000, 256), Tensor("output_norm.weight", "F32", 1024, 256), Tensor("output.weight", "Q6_K", 210_000, 1000, 256),
            .. Enumerable.Range(0, 2).SelectMany(i => new[]
            {
                Tensor($"blk.{i}.attn_q.weight", "Q4_K", 36_864, 256, 256), Tensor($"blk.{i}.attn_k.weight", "Q4_K", 18_432, 128, 256),
                Tensor($"blk.{i}.attn_v.weight", "Q6_K", 26_880, 128, 256), Tensor($"blk.{i}.attn_output.weight", "Q4_K", 36_864, 256, 256),
                Tensor($"blk.{i}.attn_norm.weight", "F32", 1024, 256), Tensor($"blk.{i}.ffn_gate.weight", "Q4_K", 73_728, 512, 256),
                Tensor($"blk.{i}.ffn_up.weight", "Q4_K", 73_728, 512, 256), Tensor($"blk.{i}.ffn_down.weight", "Q4_K", 73_728, 256, 512),
                Tensor($"blk.{i}.ffn_norm.weight", "F32", 1024, 256),
            }),
        ]));
        var shape = weighed.Shape!;
        // 2 × 256,000 + 256 + 2 × (2 × 65,536 + 2 × 32,768 + 3 × 131,072 + 2 × 256).
        Assert.Equal(1_692_928, weighed.Parameters);
        Assert.Equal(("llama", 256, 1000, 4096, 64, "gguf"), (shape.Architecture, shape.HiddenSize, shape.VocabularySize, shape.MaxPositions, shape.RotaryWidth, shape.Quantization));
        var run = Assert.Single(shape.Layers);
        Assert.Equal((2, 512, 2L * (64 + 64)), (run.Count, run.ActiveWidth, run.Cache.ElementsPerToken));
        Assert.Equal(["attention Tensor Q4_K", "attention KeyValueHeads Q4_K", "attention KeyValueHeads Q6_K", "mlp Tensor Q4_K", "norm Replicated F32"],
            run.Weights.Select(group => $"{group.Component} {group.Split} {group.Dtype}"));
        Assert.False(shape.TiedEmbeddings);
        // 2 layers × 2 heads × 128 elements × 2 bytes.
        Assert.Equal(1024, Architecture.FootprintOf(Header([.. Keys(2)], [Tensor("token_embd.weight", "F16", 512, 1, 256), Tensor("output_norm.weight", "F32", 1024, 256)]), "d").KvPerToken.Value);
    }

    [Theory]
    [InlineData("afmoe", "", "0,1,2,4,5,6")]
    [InlineData("smallthinker", "", "1,2,3,5,6,7")]
    [InlineData("exaone4", "", "0,1,2,4,5,6")]
    [InlineData("never-heard-of", "", "")]
    [InlineData("never-heard-of", "3", "0,1,3,4,6,7")]
    public void Layers_have_the_window_that_llama_cpp_gives_them_and_none_where_nobody_says_which(string architecture, string pattern, string sliding)
    {
        (string, string)[] keys =
        [
            ("general.architecture", architecture), ($"{architecture}.block_count", "8"), ($"{architecture}.embedding_length", "256"), ($"{architecture}.feed_forward_length", "128"),
            ($"{architecture}.attention.head_count", "4"), ($"{architecture}.attention.head_count_kv", "2"), ($"{architecture}.attention.sliding_window", "2048"),
            .. pattern.Length == 0 ? Array.Empty<(string, string)>() : [($"{architecture}.attention.sliding_window_pattern", pattern)],
        ];
        var layers = Architecture.Weigh(Header(keys,
            [Tensor("token_embd.weight", "F16", 51_200, 100, 256), .. Enumerable.Range(0, 8).Select(i => Tensor($"blk.{i}.attn_q.weight", "F16", 131_072, 256, 256))])).Shape!.Layers.SelectMany(run => Enumerable.Repeat(run.Cache.Window, run.Count)).ToList();
        Assert.Equal(8, layers.Count);
        Assert.Equal(sliding, string.Join(',', layers.Select((window, at) => (window, at)).Where(one => one.window is not null).Select(one => one.at)));
    }

    [Fact]
    public void Experts_windows_and_heads_by_block_are_read_from_the_keys()
    {
        var weighed = Architecture.Weigh(Header(
        [
            ("general.architecture", "gpt-oss"), ("gpt-oss.block_count", "2"), ("gpt-oss.embedding_length", "256"), ("gpt-oss.feed_forward_length", "128"),
            ("gpt-oss.attention.head_count", "4"), ("gpt-oss.attention.head_count_kv", "2,1"), ("gpt-oss.attention.key_length", "32"),
            ("gpt-oss.attention.value_length", "32"), ("gpt-oss.attention.sliding_window", "128"), ("gpt-oss.expert_count", "8"), ("gpt-oss.expert_used_count", "2"),
        ],
        [
            Tensor("token_embd.weight", "F16", 51_200, 100, 256),
            Tensor("blk.0.ffn_gate_exps.weight", "MXFP4", 139_264, 8, 128, 256), Tensor("blk.1.ffn_gate_exps.weight", "MXFP4", 139_264, 8, 128, 256),
            Tensor("blk.0.ffn_gate_inp.weight", "F32", 8_192, 8, 256), Tensor("blk.1.ffn_gate_inp.weight", "F32", 8_192, 8, 256),
        ]));
        Assert.Equal([(128, 128L), (null, 64L)], weighed.Shape!.Layers.Select(run => (run.Cache.Window, run.Cache.ElementsPerToken)));
        Assert.All(weighed.Shape.Layers, run => Assert.Equal((8, 2, 128, 256), (run.Experts, run.ExpertsPerToken, run.ExpertWidth, run.ActiveWidth)));
        // 25,600 + 2 × (262,144 + 2,048); a token passes 2 of 8 experts.
        Assert.Equal(553_984, weighed.Parameters);
        Assert.Equal(160_768, weighed.ActiveParameters);
        Assert.True(weighed.Shape.TiedEmbeddings);
    }

    // DeepSeek-V2-Lite. Converted before llama.cpp knew latent attention, it caches keys and values of all heads, 27 × 16 × (192 + 128) × 2
    // bytes; with both lengths beside the latent's, that alone, 27 × (512 + 64) × 2.
    [Theory]
    [InlineData("attention.head_count_kv 16 attention.key_length 192 attention.value_length 128", 276_480)]
    [InlineData("attention.head_count_kv 1 attention.key_length 576 attention.value_length 512 attention.key_length_mla 192 attention.value_length_mla 128", 31_104)]
    [InlineData("attention.head_count_kv 16 attention.key_length 192 attention.value_length 128 attention.key_length_mla 192", 276_480)]
    public void A_latent_is_kept_only_where_both_lengths_of_its_heads_are_told(string keys, long bytes) => Assert.Equal(bytes, Architecture.FootprintOf(
        Blocks("deepseek2", 27, "attention.head_count 16 attention.kv_lora_rank 512 rope.dimension_count 64 " + keys), "d").KvPerToken.Value);

    [Theory]
    // Phi's windows are switched off in llama.cpp.
    [InlineData("phi3", 2, "attention.sliding_window 2047", "128 128")]
    [InlineData("gemma2", 2, "attention.sliding_window 2047", "128/2047 128")]
    // Llama 4's chunks of 8,192 are in no header, which may only switch them off.
    [InlineData("llama4", 5, "", "128/8192*3 128 128/8192")]
    [InlineData("llama4", 4, "attention.sliding_window 4096", "128/8192*3 128")]
    [InlineData("llama4", 2, "attention.sliding_window 0", "128 128")]
    // Gemma 4: wider keys where all is seen, and the last layers keep none of their own.
    [InlineData("gemma4", 5, "attention.sliding_window 512 attention.sliding_window_pattern true,false,true,false,true attention.shared_kv_layers 2"
        + " attention.key_length 64 attention.value_length 64 attention.key_length_swa 32 attention.value_length_swa 16", "96/512 256 96/512 - -")]
    // Gemma 3n's keep twenty layers' whatever is told, and slide on four of five.
    [InlineData("gemma3n", 22, "attention.sliding_window 512", "128/512*4 128 128/512*4 128 128/512*4 128 128/512*4 128 - -")]
    // Nemotron-H: neither heads nor a feed-forward part make a state, the part alone makes nothing.
    [InlineData("nemotron_h", 3, "attention.head_count_kv 0,2,0 feed_forward_length 0,0,512 ssm.inner_size 64 ssm.state_size 16 ssm.conv_kernel 4", "S1216 128 -")]
    [InlineData("jamba", 2, "attention.head_count_kv 0,2 feed_forward_length 512 ssm.inner_size 64 ssm.state_size 16 ssm.conv_kernel 4", "S1216 128")]
    // Qwen3-Next attends on every fourth layer where nothing is told.
    [InlineData("qwen3next", 4, "ssm.inner_size 64 ssm.state_size 16 ssm.conv_kernel 4", "S1216 S1216 S1216 128")]
    [InlineData("qwen3next", 4, "full_attention_interval 2 ssm.inner_size 64 ssm.state_size 16 ssm.conv_kernel 4", "S1216 128 S1216 128")]
    public void What_each_layer_keeps_is_what_llama_cpp_keeps(string name, int blocks, string keys, string kept)
    {
        // Four heads of 32 over two: 2 × (32 + 32) elements where nothing else is told.
        var shape = Architecture.Weigh(Blocks(name, blocks, "attention.head_count 4 " + (keys.Contains("head_count_kv", StringComparison.Ordinal) ? "" : "attention.head_count_kv 2 ") + keys)).Shape!;
        Assert.Equal(kept, string.Join(' ', Runs(shape)));
    }

    // Elements a token with the window, "-" for none, S for a state's; equal neighbours with a window told once.
    private static IEnumerable<string> Runs(ModelShape shape) => shape.Layers.SelectMany(run => run.Cache.Kind switch
    {
        CacheKind.None => Enumerable.Repeat("-", run.Count),
        CacheKind.State => Enumerable.Repeat($"S{run.Cache.StateElements}", run.Count),
        _ when run.Cache.Window is { } window => [$"{run.Cache.ElementsPerToken}/{window}" + (run.Count > 1 ? $"*{run.Count}" : "")],
        _ => Enumerable.Repeat($"{run.Cache.ElementsPerToken}", run.Count),
    });

    private static ArtifactHeader Blocks(string name, int blocks, string keys)
    {
        var words = keys.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return Header(
            [
                ("general.architecture", name), ($"{name}.block_count", $"{blocks}"), ($"{name}.embedding_length", "128"),
                .. words.Chunk(2).Select(pair => ($"{name}.{pair[0]}", pair[1])),
            ],
            [Tensor("token_embd.weight", "F16", 25_600, 100, 128), .. Enumerable.Range(0, blocks).Select(i => Tensor($"blk.{i}.attn_norm.weight", "F32", 512, 128))]);
    }

    [Fact]
    public void More_blocks_than_tensors_are_not_believed() =>
        Assert.Null(Architecture.Weigh(Header([.. Keys(2), ("llama.feed_forward_length", "8")], [Tensor("token_embd.weight", "F16", 512, 1, 256)])).Shape);

    [Fact]
    public void A_header_that_names_no_architecture_still_gives_exact_bytes()
    {
        var weighed = Architecture.Weigh(Header([("general.architecture", "new")], [Tensor("blk.0.attn_q.weight", "Q8_0", 69_632, 256, 256)]));
        Assert.Equal((65_536, 69_632), (weighed.Parameters, weighed.Weights.Value));
        Assert.Null(weighed.Shape);
        Assert.Contains("names no architecture", Assert.Single(weighed.Notes), StringComparison.Ordinal);
    }

    private static IEnumerable<(string, string)> Keys(int kv) =>
    [
        ("general.architecture", "llama"), ("llama.block_count", "2"), ("llama.embedding_length", "256"), ("llama.attention.head_count", "4"),
        ("llama.attention.head_count_kv", $"{kv}"),
    ];

    private static ArtifactHeader Header((string Key, string Value)[] metadata, StoredTensor[] tensors) => new()
    {
        Format = ArtifactFormat.Gguf,
        Source = "m.gguf",
        Files = [],
        Metadata = metadata.ToImmutableDictionary(pair => pair.Key, pair => pair.Value),
        Tensors = [.. tensors],
    };

    private static StoredTensor Tensor(string name, string dtype, long bytes, params long[] shape) => new(name, dtype, [.. shape], bytes);

    [Fact]
    public void A_pattern_of_windows_written_layer_by_layer_is_taken_as_it_is()
    {
        var weighed = Architecture.Weigh(Header(
        [
            ("general.architecture", "gemma3"), ("gemma3.block_count", "2"), ("gemma3.embedding_length", "64"), ("gemma3.feed_forward_length", "128"),
            ("gemma3.attention.head_count", "4"), ("gemma3.attention.head_count_kv", "2"), ("gemma3.attention.key_length", "16"),
            ("gemma3.attention.value_length", "16"), ("gemma3.attention.sliding_window", "128"), ("gemma3.attention.sliding_window_pattern", "true,false"),
        ],
        [Tensor("token_embd.weight", "F16", 12_800, 100, 64), Tensor("blk.0.attn_norm.weight", "F32", 256, 64), Tensor("blk.1.attn_norm.weight", "F32", 256, 64)]));

        Assert.Equal([128, null], weighed.Shape!.Layers.Select(run => run.Cache.Window));
    }
}
