using System.Text;
using static Plimsoll.Artifacts.Tests.PickleBytes;

namespace Plimsoll.Artifacts.Tests;

/// <summary>A real artefact, small, of which one file is damaged before it is read.</summary>
/// <param name="Name">The reader that is meant.</param>
/// <param name="Folder">Its files.</param>
/// <param name="File">The file that is opened; null for the folder.</param>
internal sealed record FuzzTarget(string Name, MemoryFolder Folder, string? File)
{
    /// <summary>Of which each case takes one in place of config.json; null for always the same.</summary>
    public byte[][]? Configs { get; private init; }

    private const string Config = """{"model_type":"llama","hidden_size":4,"architectures":["LlamaForCausalLM"]}""";

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("safetensors", new MemoryFolder().With("m.safetensors", Weights("a", "b", "c")), "m.safetensors"),
        new("safetensors-shards", Sharded(), "model.safetensors.index.json"),
        new("gguf", new MemoryFolder().With("m.gguf", Gguf(null)), "m.gguf"),
        new("gguf-split", new MemoryFolder().With("m-00001-of-00002.gguf", Gguf(0)).With("m-00002-of-00002.gguf", Gguf(1)), "m-00001-of-00002.gguf"),
        new("onnx", new MemoryFolder().With("m.onnx", Onnx()).With("w.bin", new byte[40]), "m.onnx"),
        new("pytorch", new MemoryFolder().With("m.pt", Torch(zip64: false)), "m.pt"),
        new("pytorch-zip64", new MemoryFolder().With("m.pt", Torch(zip64: true)), "m.pt"),
        new("hugging-face", Sharded().With("config.json", Utf8(Config)).With("hf_quant_config.json", Utf8("{}")).With("tokenizer.json", Utf8("{}")), null),
        new("adapter", new MemoryFolder().With("adapter_model.safetensors", Weights("q.lora_A.weight", "q.lora_B.weight")).With("adapter_config.json", Utf8(
            """{"peft_type":"LORA","base_model_name_or_path":"org/base","r":16,"lora_alpha":32.0,"target_modules":["v_proj","q_proj"]}""")), null),
        new("pipeline", new MemoryFolder().With("model_index.json", Utf8("""{"_class_name":"P","unet":["diffusers","U"],"vae":["diffusers","V"],"tokenizer":["transformers","T"],"image_encoder":[null,null]}"""))
            .With("unet/config.json", Utf8("{}")).With("unet/diffusion_pytorch_model.safetensors", Weights("u"))
            .With("vae/config.json", Utf8("{}")).With("vae/diffusion_pytorch_model.bin", Torch(zip64: false)).With("tokenizer/vocab.json", Utf8("{}")), null),
        new("triton", new MemoryFolder().With("a/config.pbtxt", Utf8("""
            name: "a" backend: "onnxruntime" max_batch_size: 8
            input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] } ]
            version_policy: { specific: { versions: [1, 2] } }
            instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] } ]
            """)).With("a/1/model.onnx", Onnx()).With("a/1/w.bin", new byte[40]).With("a/2/model.onnx", Onnx()).With("a/2/w.bin", new byte[40])
            .With("b/1/model.pt", Torch(zip64: false)).With("c/config.pbtxt", Utf8("backend: 'vllm'")).With("c/1/model.json", Utf8("""{"model":"org/name"}"""))
            .With("d/config.pbtxt", Utf8("backend: 'tensorrtllm' parameters { key: 'gpt_model_path' value { string_value: '/e' } }")).With("d/1/.keep", []), null),
        new("checkpoint-ranks", new MemoryFolder().With("config.json", Utf8(Config)).With("rank0.safetensors", Weights("a", "b")).With("rank1.safetensors", Weights("a", "b")), null),
        new("pytorch-flat", new MemoryFolder().With("m.pt", FlatTorch()), "m.pt"),
        new("config", new MemoryFolder().With("x.json", SmallConfigs.Bytes(SmallConfigs.Of("llama"))), "x.json"),
        new("configurations", new MemoryFolder().With("config.json", []), "config.json") { Configs = SmallConfigs.All },
        new("quantization", new MemoryFolder().With("config.json", []), "config.json") { Configs = SmallConfigs.AllQuantized },
        new("weights-and-config", new MemoryFolder().With("config.json", []).With("model.safetensors", Layers()), null) { Configs = SmallConfigs.All },
        new("gguf-shape", new MemoryFolder().With("m.gguf", GgufShape()), "m.gguf"),
        new("gguf-shared", new MemoryFolder().With("m.gguf", GgufShared()), "m.gguf"),
        new("gguf-recurrent", new MemoryFolder().With("m.gguf", GgufRecurrent()), "m.gguf"),
    ];

    private static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Weights(params string[] names) => SafetensorsBytes.File([.. names.Select((name, i) =>
        (name, (i % 3) switch { 0 => "BF16", 1 => "F8_E4M3", _ => "F4" }, (long[])[2, 4], (i % 3) switch { 0 => 16L, 1 => 8, _ => 4 }))]);

    private static MemoryFolder Sharded() => new MemoryFolder()
        .With("model.safetensors.index.json", Utf8("""{"metadata":{"total_size":40},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}}"""))
        .With("model-00001-of-00002.safetensors", Weights("a", "b")).With("model-00002-of-00002.safetensors", Weights("c"));

    private static byte[] Gguf(int? part)
    {
        using var file = new GgufBytes();
        if (part is { } number)
            file.UInt16("split.no", (ushort)number).UInt16("split.count", 2).Int32("split.tensors.count", 4);
        file.Text("general.architecture", "llama").UInt32("llama.block_count", 2).UInt32s("llama.attention.head_count_kv", 2, 0, 2)
            .Float("llama.rope.freq_base", 10000).Bool("llama.tied", true).Texts("tokenizer.ggml.tokens", 9);
        return file.Tensor($"q{part}", 12, 288, 256, 2).Tensor($"n{part}", 0, 128, 32).File();
    }

    // Two layers in several libraries' spellings, with a mixture, a fused projection, scales and a predictor.
    private static byte[] Layers() => Weights(["model.embed_tokens.weight", .. Enumerable.Range(0, 2).SelectMany(i => (string[])
    [
        $"model.layers.{i}.input_layernorm.weight", $"model.layers.{i}.self_attn.q_proj.weight", $"model.layers.{i}.self_attn.k_proj.weight",
        $"model.layers.{i}.self_attn.qkv_proj.weight", $"model.layers.{i}.mlp.experts.0.up_proj.weight", $"model.layers.{i}.mlp.experts.1.up_proj.weight_scale",
        $"model.layers.{i}.mlp.gate.weight", $"transformer.h.{i}.attn.c_attn.weight", $"model.layers.{i}.mixer.in_proj.weight",
    ]), "model.layers.9.eh_proj.weight", "mtp.fc.weight", "visual.blocks.0.attn.qkv.weight", "encoder.layer.0.x", "model.norm.weight", "lm_head.weight"]);

    private static byte[] GgufShape()
    {
        using var file = new GgufBytes();
        file.Text("general.architecture", "llama").UInt32("llama.block_count", 3).UInt32("llama.embedding_length", 64).UInt32("llama.context_length", 512)
            .UInt32("llama.feed_forward_length", 128).UInt32("llama.attention.head_count", 4).UInt32s("llama.attention.head_count_kv", 2, 0, 2)
            .UInt32("llama.attention.key_length", 16).UInt32("llama.attention.value_length", 16).UInt32("llama.attention.sliding_window", 32)
            .UInt32("llama.expert_count", 4).UInt32("llama.expert_used_count", 2).UInt32("llama.expert_feed_forward_length", 32).UInt32("llama.expert_shared_count", 1)
            .UInt32("llama.attention.kv_lora_rank", 0).UInt32("llama.rope.dimension_count", 16).UInt32("llama.vocab_size", 256);
        return GgufLayers(file, 3);
    }

    private static byte[] GgufRecurrent()
    {
        using var file = new GgufBytes();
        file.Text("general.architecture", "x").UInt32("x.block_count", 3).UInt32("x.embedding_length", 64).UInt32("x.ssm.inner_size", 128)
            .UInt32("x.ssm.state_size", 16).UInt32("x.ssm.conv_kernel", 4).UInt32("x.ssm.group_count", 2).UInt32("x.full_attention_interval", 2)
            .UInt32("x.attention.head_count", 4).UInt32("x.attention.kv_lora_rank", 16).UInt32("x.rope.dimension_count", 8).UInt32("x.attention.key_length_mla", 24)
            .UInt32("x.attention.value_length_mla", 16).UInt32("x.nextn_predict_layers", 1).UInt32("x.pooling_type", 0);
        return GgufLayers(file, 3);
    }

    private static byte[] GgufShared()
    {
        using var file = new GgufBytes();
        file.Text("general.architecture", "gemma4").UInt32("gemma4.block_count", 3).UInt32("gemma4.embedding_length", 64).UInt32("gemma4.attention.head_count", 4)
            .UInt32("gemma4.attention.head_count_kv", 2).UInt32("gemma4.attention.key_length", 32).UInt32("gemma4.attention.value_length", 32)
            .UInt32("gemma4.attention.key_length_swa", 16).UInt32("gemma4.attention.value_length_swa", 16).UInt32("gemma4.attention.sliding_window", 32)
            .UInt32s("gemma4.attention.sliding_window_pattern", 1, 0, 1).UInt32("gemma4.attention.shared_kv_layers", 1).UInt32("gemma4.attention.kv_lora_rank", 8);
        return GgufLayers(file, 3);
    }

    private static byte[] GgufLayers(GgufBytes file, int layers)
    {
        file.Tensor("token_embd.weight", 12, 144, 256);
        for (var i = 0; i < layers; i++)
            file.Tensor($"blk.{i}.attn_q.weight", 12, 144, 256).Tensor($"blk.{i}.ffn_up_exps.weight", 1, 128, 8, 8).Tensor($"blk.{i}.attn_qkv.weight", 0, 128, 32);
        return file.File();
    }

    private static byte[] Onnx() => OnnxBytes.Model(
        OnnxBytes.Tensor(1, [2, 3], OnnxBytes.Content(9, new byte[24])),
        OnnxBytes.Content(5, OnnxBytes.Number(1, 10), OnnxBytes.Number(2, 1), OnnxBytes.Text(8, "e"), OnnxBytes.Entry("location", "w.bin"), OnnxBytes.Entry("offset", "0"), OnnxBytes.Number(14, 1)),
        OnnxBytes.Content(1, OnnxBytes.Text(4, "If"), OnnxBytes.Content(5, OnnxBytes.Text(1, "then"), OnnxBytes.Content(6, OnnxBytes.Content(5, OnnxBytes.Number(1, 1), OnnxBytes.Number(2, 22), OnnxBytes.Content(9, [1]))))),
        OnnxBytes.Content(11, OnnxBytes.Text(1, "x"), OnnxBytes.Content(2, OnnxBytes.Content(1, OnnxBytes.Number(1, 1)))));

    // Names of a flat state_dict that begin as a checkpoint's parts, and a storage of no tensor.
    private static byte[] FlatTorch()
    {
        byte[] Halves(string key) => Tensor(Storage("HalfStorage", key, 6), 0, [2, 3], [3, 1]);
        return new ZipBytes().Add("m/data.pkl", Pickle(OrderedDict(("model.a", Halves("0")), ("lm_head.weight", Halves("1")), ("module", Dict(("b", Halves("0")))))))
            .Add("m/data/0", new byte[12]).Add("m/data/1", new byte[12]).Add("m/data/2", new byte[4]).File();
    }

    private static byte[] Torch(bool zip64)
    {
        byte[] storage = Storage("HalfStorage", "0", 6);
        var state = OrderedDict(("a.weight", Tensor(storage, 0, [2, 3], [3, 1])), ("tied", Tensor(storage, 0, [2, 3], [3, 1])),
            ("b", TensorOfDtype(Storage("UntypedStorage", "1", 4, "torch.storage"), "float8_e5m2", [4], [1])));
        byte[] list = [(byte)']', .. Put(7), (byte)'(', .. Number(1L << 40), (byte)'N', 0x88, (byte)'G', 0, 0, 0, 0, 0, 0, 0, 0, .. Get(7), (byte)'e'];
        return new ZipBytes().Add("m/data.pkl", Pickle(Dict(("state_dict", state), ("epoch", list))))
            .Add("m/data/0", new byte[12]).Add("m/data/1", new byte[4]).Add("m/version", [51, 10]).File(zip64);
    }
}
